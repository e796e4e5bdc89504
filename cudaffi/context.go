package cudaffi

import (
	"sync/atomic"
	"unsafe"
)

// Context is the primary context of a device, which all CUDA runtime users of
// the process share: their pointers, streams and events are valid in it, and
// ours in theirs.
//
// Its methods, and those of what is made in it, may be called concurrently and
// on any goroutine: each binds the goroutine to its thread and makes the context
// current there while it lasts.
type Context struct {
	d        *Driver
	device   Device
	handle   uintptr
	released atomic.Bool
	// The functions for values on streams, 0 if there are none.
	waitValue, writeValue symbol
}

// Primary retains the primary context of a device and creates it if nobody has,
// which takes a fraction of a second.
func (d *Driver) Primary(ordinal int) (*Context, error) {
	device, err := d.Device(ordinal)
	if err != nil {
		return nil, err
	}
	handle := new(uintptr)
	r := d.call(cuDevicePrimaryCtxRetain, uintptr(unsafe.Pointer(handle)), uintptr(device.handle))
	if err := d.check(cuDevicePrimaryCtxRetain, r); err != nil {
		return nil, err
	}
	c := &Context{d: d, device: device, handle: *handle}
	c.chooseValues()
	return c, nil
}

// Release gives back what Primary retained, once; the device's context goes
// with its last user. Memory, streams and all else should be freed before, and
// none of it may be used afterwards.
func (c *Context) Release() error {
	if c.released.Swap(true) {
		return nil
	}
	return c.d.check(cuDevicePrimaryCtxRelease, c.d.call(cuDevicePrimaryCtxRelease, uintptr(c.device.handle)))
}

// Driver is the driver that the context belongs to.
func (c *Context) Driver() *Driver { return c.d }

// Device is the context's device.
func (c *Context) Device() Device { return c.device }

// Do calls f with the goroutine bound to its thread and the context current on
// it, so that calls inside are cheaper, and undoes both afterwards. It may be
// nested. Inside, calls are allowed while other threads capture CUDA graphs, and
// do not disturb them; it is not for capturing.
func (c *Context) Do(f func() error) (err error) {
	fr, err := c.enter()
	if err != nil {
		return err
	}
	fr.out[0] = captureRelaxed
	if err := fr.call(cuThreadExchangeStreamCaptureMode, fr.outAt); err != nil {
		fr.leave()
		return err
	}
	defer func() { // out has the mode from before
		s, r := cuThreadExchangeStreamCaptureMode, fr.try(cuThreadExchangeStreamCaptureMode, fr.outAt)
		if popped := fr.leave(); r == success && popped != success {
			s, r = cuCtxPopCurrent, popped
		}
		if err == nil {
			err = c.d.check(s, r)
		}
	}()
	return f()
}

// Synchronize waits for all work on the device.
func (c *Context) Synchronize() error {
	f, err := c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	return f.call(cuCtxSynchronize)
}
