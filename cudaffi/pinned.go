package cudaffi

import "unsafe"

const (
	hostPortable  = 1 // for all contexts
	hostDeviceMap = 2 // devices can access it
)

// Pinned is host memory that cannot be swapped out, and that devices access
// directly.
type Pinned struct {
	c      *Context
	mem    []byte
	device DevicePtr
	free   symbol // 0 once freed
}

// AllocPinned allocates pinned memory, page-aligned and not cleared. It may wait
// for all work on the device.
func (c *Context) AllocPinned(bytes int) (*Pinned, error) {
	f, err := c.enter()
	if err != nil {
		return nil, err
	}
	defer f.leave()
	if err := f.call(cuMemHostAlloc, f.hostAt, uintptr(bytes), hostPortable|hostDeviceMap); err != nil {
		return nil, err
	}
	p := &Pinned{c: c, mem: unsafe.Slice((*byte)(f.host), bytes), free: cuMemFreeHost}
	return p.locate(f)
}

// Register pins memory that the caller has mapped, shared memory for instance:
// whole pages, which must stay mapped until Free. Memory of Go's heap will do
// only if it is never used for anything else.
func (c *Context) Register(b []byte) (*Pinned, error) {
	f, err := c.enter()
	if err != nil {
		return nil, err
	}
	defer f.leave()
	if err := f.call(cuMemHostRegister, f.hold(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), hostPortable|hostDeviceMap); err != nil {
		return nil, err
	}
	p := &Pinned{c: c, mem: b, free: cuMemHostUnregister}
	return p.locate(f)
}

// locate finds the memory's address on the device, and frees it if it has none.
func (p *Pinned) locate(f *frame) (*Pinned, error) {
	host := f.hold(unsafe.Pointer(unsafe.SliceData(p.mem)))
	if err := f.call(cuMemHostGetDevicePointer, f.outAt, host, 0); err != nil {
		f.try(p.free, host)
		return nil, err
	}
	p.device = DevicePtr(f.out[0])
	return p, nil
}

// Bytes is the memory. What a device writes there may be read once the work
// that wrote it has been waited for.
func (p *Pinned) Bytes() []byte { return p.mem }

// Device is its address on the device.
func (p *Pinned) Device() DevicePtr { return p.device }

// Free frees the memory, or unpins it if it is the caller's. Devices must have
// finished with it. It may wait for all work on the device. A second Free does
// nothing.
func (p *Pinned) Free() error {
	if p.free == 0 {
		return nil
	}
	f, err := p.c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	if err := f.call(p.free, f.hold(unsafe.Pointer(unsafe.SliceData(p.mem)))); err != nil {
		return err
	}
	p.free, p.mem = 0, nil
	return nil
}
