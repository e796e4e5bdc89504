package cudaffi

// The modes and states of a capture.
const (
	captureRelaxed = 2
	captureNone    = 0
)

// Capturing reports whether work on the stream goes into a CUDA graph instead
// of to the device. Where s is the legacy default stream and another stream that
// it waits for is captured, the error wraps ErrCapture.
func (s Stream) Capturing() (bool, error) {
	f, err := s.c.enter()
	if err != nil {
		return false, err
	}
	defer f.leave()
	err = f.call(cuStreamIsCapturing, s.handle, f.outAt)
	return err == nil && f.number() != captureNone, err
}
