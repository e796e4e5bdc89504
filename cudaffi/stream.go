package cudaffi

const streamNonBlocking = 1

// Stream is a queue of work on a device: what is put on it runs in order. The
// zero Stream, given to a method of something else, means the legacy default
// stream; it has no methods of its own.
type Stream struct {
	c      *Context
	handle uintptr
}

// Handles of the default streams. StreamPerThread means that of whichever thread
// a call is made on, so it is of use inside Do only.
const (
	StreamLegacy    uintptr = 1
	StreamPerThread uintptr = 2
)

// Priority tells whose work the device's scheduler prefers.
type Priority int

// The priorities.
const (
	PriorityDefault Priority = iota
	PriorityHighest
)

// NewStream makes a stream, which does not wait for the legacy default stream
// nor that for it.
func (c *Context) NewStream(priority Priority) (Stream, error) {
	f, err := c.enter()
	if err != nil {
		return Stream{}, err
	}
	defer f.leave()
	number := int32(0)
	if priority == PriorityHighest {
		// The least of them is of no interest here.
		if err := f.call(cuCtxGetStreamPriorityRange, f.outAt+8, f.outAt); err != nil {
			return Stream{}, err
		}
		number = f.number()
	}
	if err := f.call(cuStreamCreateWithPriority, f.outAt, streamNonBlocking, uintptr(number)); err != nil {
		return Stream{}, err
	}
	return Stream{c, f.handle()}, nil
}

// StreamOf is the stream with a handle that another user of the context made: a
// CUstream or cudaStream_t. 0 is the legacy default stream.
func (c *Context) StreamOf(handle uintptr) Stream { return Stream{c, handle} }

// Handle is the stream's CUstream.
func (s Stream) Handle() uintptr { return s.handle }

// Query reports whether all work on the stream is done.
func (s Stream) Query() (done bool, err error) {
	f, err := s.c.enter()
	if err != nil {
		return false, err
	}
	defer f.leave()
	return f.done(cuStreamQuery, s.handle)
}

// done asks whether something is done.
func (f *frame) done(s symbol, handle uintptr) (bool, error) {
	r := f.try(s, handle)
	if r == notReady {
		return false, nil
	}
	return r == success, f.c.d.check(s, r)
}

// Sync waits for all work on the stream.
func (s Stream) Sync() error { return s.call(cuStreamSynchronize) }

// Wait makes later work on the stream wait for what e recorded last.
func (s Stream) Wait(e Event) error { return s.call(cuStreamWaitEvent, e.handle, 0) }

// Destroy destroys a stream that NewStream made. What is on it still runs.
func (s Stream) Destroy() error { return s.call(cuStreamDestroy) }

// Priority is the driver's number for the stream's priority: lower means
// preferred, 0 is the default.
func (s Stream) Priority() (int, error) {
	f, err := s.c.enter()
	if err != nil {
		return 0, err
	}
	defer f.leave()
	err = f.call(cuStreamGetPriority, s.handle, f.outAt)
	return int(f.number()), err
}

// call calls a function whose first argument is the stream.
func (s Stream) call(fn symbol, args ...uintptr) error {
	f, err := s.c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	var a [4]uintptr
	a[0] = s.handle
	n := 1 + copy(a[1:], args)
	return f.call(fn, a[:n]...)
}

// Context is the context that the stream belongs to; nil for the zero Stream.
func (s Stream) Context() *Context { return s.c }
