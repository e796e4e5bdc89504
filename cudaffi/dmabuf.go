package cudaffi

// rangeHandleDMABuf asks for a descriptor of a dma-buf.
const rangeHandleDMABuf = 1

// DMABuf returns a descriptor of a Linux dma-buf that stands for the n bytes of device
// memory at p, both of them multiples of the host's page size: by it, other devices
// reach that memory. The caller closes it. Whoever has imported it keeps the memory as
// it is, after it has been freed, too.
//
// Where the driver or the device cannot do that, the error wraps ErrUnsupported.
func (c *Context) DMABuf(p DevicePtr, n int64) (int, error) {
	if !c.d.has(cuMemGetHandleForAddressRange) {
		return -1, c.d.failure(cuMemGetHandleForAddressRange, notSupported, "")
	}
	f, err := c.enter()
	if err != nil {
		return -1, err
	}
	defer f.leave()
	if err := f.call(cuMemGetHandleForAddressRange, f.outAt, uintptr(p), uintptr(n), rangeHandleDMABuf, 0); err != nil {
		return -1, err
	}
	return int(f.number()), nil
}
