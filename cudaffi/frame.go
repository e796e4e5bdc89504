package cudaffi

import (
	"runtime"
	"sync"
	"unsafe"
)

// maxParams is the number of parameters that a kernel may have.
const maxParams = 32

// frame is one call's stay in a context: the goroutine is bound to its thread,
// for which the context is current. Frames are on the heap and used again, so
// they have room for all that a call needs to have there.
type frame struct {
	c      *Context
	pushed bool // the context has to be taken off the thread's stack again

	args   [16]uintptr
	params [maxParams]unsafe.Pointer
	// held is what the driver is given addresses of.
	held  [5]unsafe.Pointer
	holds int
	// out is where the driver writes numbers and handles, host an address.
	out  [8]uint64
	host unsafe.Pointer

	// Addresses of the fields. Go's heap moves nothing, and the frame is alive
	// until leave, so numbers will do.
	outAt, hostAt, paramsAt uintptr
}

var frames = sync.Pool{New: func() any {
	f := new(frame)
	f.outAt, f.hostAt = uintptr(unsafe.Pointer(&f.out)), uintptr(unsafe.Pointer(&f.host))
	f.paramsAt = uintptr(unsafe.Pointer(&f.params))
	return f
}}

// enter begins a call. Where the context is current already, as it is inside
// Do, this costs a look and no more. Any other context of the thread comes back
// when the call ends: it may be the thread of somebody else's program.
func (c *Context) enter() (*frame, error) {
	runtime.LockOSThread()
	f := frames.Get().(*frame)
	f.c = c
	s, r := cuCtxGetCurrent, f.try(cuCtxGetCurrent, f.outAt)
	if r == success && c.released.Load() {
		s, r = cuCtxPushCurrent, invalidContext
	}
	if r == success && f.handle() != c.handle {
		s, r = cuCtxPushCurrent, f.try(cuCtxPushCurrent, c.handle)
		f.pushed = r == success
	}
	if r != success {
		f.leave()
		return nil, c.d.failure(s, r, "")
	}
	return f, nil
}

// leave ends what enter began. The driver may report here what went wrong in
// earlier work on the device; the next call will say it again.
func (f *frame) leave() Result {
	r := success
	if f.pushed {
		r = f.try(cuCtxPopCurrent, f.outAt)
	}
	clear(f.held[:f.holds])
	f.c, f.pushed, f.host, f.holds = nil, false, nil, 0
	frames.Put(f)
	runtime.UnlockOSThread()
	return r
}

// try calls a function of the driver. Addresses among the arguments have to be
// those of the frame's own fields, or come from hold.
func (f *frame) try(s symbol, args ...uintptr) Result { return f.of(f.c.d, s, args...) }

// of is try for frames that have not entered a context.
func (f *frame) of(d *Driver, s symbol, args ...uintptr) Result {
	n := copy(f.args[:], args)
	return Result(int32(syscallN(d.fn[s], f.args[:n])))
}

// call is try for calls whose every result but success is an error.
func (f *frame) call(s symbol, args ...uintptr) error {
	return f.c.d.check(s, f.try(s, args...))
}

// hold keeps what p points to on the heap and alive until leave, and returns
// its address.
func (f *frame) hold(p unsafe.Pointer) uintptr {
	f.held[f.holds] = p
	f.holds++
	return uintptr(p)
}

// number is the 4-byte number that the driver wrote to out.
func (f *frame) number() int32 { return *(*int32)(unsafe.Pointer(&f.out)) }

// handle is the handle that the driver wrote to out.
func (f *frame) handle() uintptr { return uintptr(f.out[0]) }
