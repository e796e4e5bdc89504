package cudaffi

// DevicePtr is an address in the unified address space: memory of a device, or
// pinned memory of the host as devices see it. Arithmetic on it is in bytes.
type DevicePtr uint64

// Alloc allocates memory on the device, at least 256-byte aligned and not
// cleared. It may wait for all work on the device.
func (c *Context) Alloc(bytes int64) (DevicePtr, error) {
	f, err := c.enter()
	if err != nil {
		return 0, err
	}
	defer f.leave()
	if err := f.call(cuMemAlloc, f.outAt, uintptr(bytes)); err != nil {
		return 0, err
	}
	return DevicePtr(f.out[0]), nil
}

// Free frees what Alloc returned. It may wait for all work on the device.
func (c *Context) Free(p DevicePtr) error {
	f, err := c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	return f.call(cuMemFree, uintptr(p))
}

// Range returns the allocation that p points into.
func (c *Context) Range(p DevicePtr) (base DevicePtr, bytes int64, err error) {
	f, err := c.enter()
	if err != nil {
		return 0, 0, err
	}
	defer f.leave()
	if err := f.call(cuMemGetAddressRange, f.outAt, f.outAt+8, uintptr(p)); err != nil {
		return 0, 0, err
	}
	return DevicePtr(f.out[0]), int64(f.out[1]), nil
}

// Memset sets n bytes to value, on a stream.
func (c *Context) Memset(p DevicePtr, value byte, n int64, s Stream) error {
	f, err := c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	return f.call(cuMemsetD8Async, uintptr(p), uintptr(value), uintptr(n), s.handle)
}
