package engine_test

import (
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
)

// capture starts the capture of a CUDA graph, in the mode that forbids the most, on
// a thread of its own, and returns what ends it.
func (d *onDevice) capture(s cudaffi.Stream) (end func() error) {
	library, err := purego.Dlopen(d.driver.Path(), purego.RTLD_NOW|purego.RTLD_GLOBAL)
	require.NoError(d, err)
	call := func(name string, args ...uintptr) error {
		f, err := purego.Dlsym(library, name)
		if err != nil {
			return err
		}
		if r, _, _ := purego.SyscallN(f, args...); r != 0 {
			return &cudaffi.Error{Call: name, Code: cudaffi.Result(r)}
		}
		return nil
	}
	ending, began, ended := make(chan struct{}), make(chan error), make(chan error)
	go func() {
		// Do is not for capturing: it is in force for the capture's calls only by the
		// context that it makes current.
		ended <- s.Context().Do(func() error {
			const global, relaxed = 0, 2
			mode := new(uint64)
			*mode = global
			err := call("cuThreadExchangeStreamCaptureMode", uintptr(unsafe.Pointer(mode)))
			if err == nil {
				err = call("cuStreamBeginCapture_v2", s.Handle(), global)
			}
			began <- err
			<-ending
			graph := new(uintptr)
			err = call("cuStreamEndCapture", s.Handle(), uintptr(unsafe.Pointer(graph)))
			if err == nil && *graph != 0 {
				err = call("cuGraphDestroy", *graph)
			}
			*mode = relaxed
			_ = call("cuThreadExchangeStreamCaptureMode", uintptr(unsafe.Pointer(mode)))
			return err
		})
	}()
	require.NoError(d, <-began)
	return func() error { close(ending); return <-ended }
}

// TestCapture: a call on a stream that is being captured is refused, and other
// streams work meanwhile, without breaking the capture.
func TestCapture(t *testing.T) {
	d := onDevices(t)
	w := localWorld(d, 2, d.config())
	users := d.use(w, 500, 3)
	reduce := func(rank int, c *engine.Comm) error {
		u := users[rank]
		u.used = 4096
		u.write(int32(rank + 1))
		work, err := c.StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(u.stream))
		if err != nil {
			return err
		}
		check := u.read()
		if err := work.Wait(background); err != nil {
			return err
		}
		if err := u.stream.Sync(); err != nil {
			return err
		}
		return check(3, int32(rank+1))
	}
	w.must(t, reduce)

	captured, err := users[0].ctx.NewStream(cudaffi.PriorityDefault)
	require.NoError(t, err)
	end := d.capture(captured)
	capturing, err := captured.Capturing()
	require.NoError(t, err)
	require.True(t, capturing)
	errs := w.each(t, func(rank int, c *engine.Comm) error {
		u := users[rank]
		if rank == 1 {
			return c.AllReduce(background, u.x, u.x, engine.Sum)
		}
		_, err := c.StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(captured))
		return err
	})
	var argument *engine.ArgumentError
	require.ErrorAs(t, errs[0], &argument)
	require.Equal(t, "stream", argument.Argument)
	require.ErrorIs(t, errs[0], engine.ErrCapture)
	require.ErrorIs(t, errs[1], engine.ErrMismatch)
	w.must(t, func(rank int, c *engine.Comm) error {
		u := users[rank]
		// The test's own looks at streams would break the capture; the engine's do not.
		u.used = 4096
		u.write(int32(rank + 1))
		work, err := c.StartAllReduce(background, u.x, u.x, engine.Sum, engine.OnStream(u.stream))
		if err != nil {
			return err
		}
		return work.Wait(background)
	})
	require.NoError(t, end(), "the capture is whole")
	require.NoError(t, captured.Destroy())
	w.must(t, reduce)
}
