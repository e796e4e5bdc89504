package engine

import (
	"errors"
	"fmt"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/strided"
)

// CallOption is a property of one call.
type CallOption func(*callOptions)

type callOptions struct {
	stream   cudaffi.Stream
	onStream bool
}

// OnStream puts a collective on tensors of a CUDA device in its place among the
// work of a stream of that device, as NCCL does: it begins when what is on the
// stream already has been done, and what is put on the stream later waits until
// the collective has ended, whether it succeeds or fails. Without this option it
// is the device's legacy default stream.
//
// The call itself returns at once, but while 128 collectives of the communicator are
// on streams of the device already, it waits until one of them has ended.
//
// A stream whose work is being captured into a CUDA graph is refused with an error
// that wraps ErrCapture.
func OnStream(s cudaffi.Stream) CallOption {
	return func(o *callOptions) { o.stream, o.onStream = s, true }
}

// onDevice reports whether t has elements, in a device's memory.
func onDevice(t *strided.Tensor) bool { return t.OnDevice() && t.Count() > 0 }

func (c *Comm) driver() (*cudaffi.Driver, error) {
	if c.cfg.CUDA != nil {
		return c.cfg.CUDA, nil
	}
	return cudaffi.Default()
}

// locate finds out on which device a task's tensors are, and makes its gate. The
// error is about an argument, or about the device if that is "".
func (c *Comm) locate(t *task, options []CallOption, holds bool) (argument string, err error) {
	var o callOptions
	for _, option := range options {
		option(&o)
	}
	if t.onDevice == nil && t.reach == nil {
		if o.onStream && !t.empty {
			return "stream", errors.New("the tensors are in host memory, on which no stream works; leave OnStream out")
		}
		return "", nil
	}
	driver, err := c.driver()
	if err != nil {
		return t.tensors[0].name, err
	}
	ordinal, there, managed := -1, "", -1
	var sent []placed
	for i := range t.tensors {
		x, name := &t.tensors[i].tensor, t.tensors[i].name
		if !onDevice(x) {
			continue
		}
		where, err := driver.Pointer(cudaffi.DevicePtr(x.Address()))
		switch {
		case err != nil && misused(err):
			return name, err
		case err != nil:
			return "", c.failedOnDevice(max(ordinal, 0), err)
		case where.Memory != cudaffi.MemoryDevice && where.Memory != cudaffi.MemoryManaged:
			return name, fmt.Errorf("%w: at %#x is %v, not memory of a device; for host memory use Of, FromBytes or FromPointer",
				cudaffi.ErrInvalidValue, x.Address(), where.Memory)
		case where.Memory == cudaffi.MemoryManaged:
			managed = where.Device // all devices reach it
			continue
		case ordinal >= 0 && where.Device != ordinal:
			return name, fmt.Errorf("it is on device %d and %s on device %d; all must be on the same", where.Device, there, ordinal)
		}
		ordinal, there = where.Device, name
		if name == "src" && (t.onDevice != nil || t.apart != nil) {
			sent = append(sent, placed{x, where})
		}
	}
	if of := o.stream.Context(); ordinal < 0 && of != nil {
		ordinal = of.Device().Ordinal
	} else if ordinal < 0 {
		ordinal = managed
	}
	g, err := c.gpu(driver, ordinal, false)
	if err != nil {
		return "", c.failedOnDevice(ordinal, err)
	}
	switch of := o.stream.Context(); {
	case of == nil:
		o.stream = g.ctx.StreamOf(cudaffi.StreamLegacy)
	case of.Device().Ordinal != ordinal:
		return "stream", fmt.Errorf("it is of device %d, and the tensors are on device %d", of.Device().Ordinal, ordinal)
	}
	capturing, err := o.stream.Capturing()
	if capturing {
		err = fmt.Errorf("%w, which the network cannot take part in; call outside of the capture", ErrCapture)
	}
	if err != nil && !misused(err) {
		return "", c.failedOnDevice(ordinal, err)
	} else if err != nil {
		return "stream", err
	}
	t.gate = &gate{g: g, stream: o.stream, holds: holds}
	t.gate.sources = c.offer(g, driver, sent)
	return "", nil
}

// misused reports whether an error of the driver is about what it was asked rather
// than about the device.
func misused(err error) bool {
	for _, is := range []error{cudaffi.ErrInvalidValue, cudaffi.ErrInvalidHandle, cudaffi.ErrInvalidContext, ErrCapture} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// failedOnDevice makes the communicator fail because a device does, before a call
// has begun.
func (c *Comm) failedOnDevice(ordinal int, err error) error {
	cause := &RankError{Rank: c.rank, Err: &DeviceError{Device: ordinal, Err: err}}
	c.fail(cause)
	return cause
}

// UseDevice makes what the communicator needs of a CUDA device: pinned memory and
// streams. Otherwise that is done when a tensor of the device is first met, which
// may wait for all that is on the device then; and if that waits for a collective
// of another communicator which the ranks come to in another order, it waits until
// the timeout. So programs that use several communicators on streams call UseDevice
// on each of them first.
//
// It also keeps in store what four more communicators with the same Config.ChunkBytes
// would need there, so that UseDevice, or a first tensor, need not wait when they come
// later. What a communicator has had goes to the store when it is closed, and all is
// freed with the last communicator that uses the device.
func (c *Comm) UseDevice(ordinal int) error {
	driver, err := c.driver()
	if err != nil {
		return err
	}
	if _, err := c.gpu(driver, ordinal, true); err != nil {
		return &RankError{Rank: c.rank, Err: &DeviceError{Device: ordinal, Err: err}}
	}
	return nil
}
