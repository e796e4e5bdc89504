package cudaffi

import "unsafe"

// Copy copies n bytes on a stream. Either side may be memory of a device or
// pinned memory of the host.
func (c *Context) Copy(dst, src DevicePtr, n int64, s Stream) error {
	f, err := c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	return f.call(cuMemcpyAsync, uintptr(dst), uintptr(src), uintptr(n), s.handle)
}

// CopyToHost fills dst, which may be any memory, and waits for it. The copy is
// ordered like work on the legacy default stream.
func (c *Context) CopyToHost(dst []byte, src DevicePtr) error {
	if len(dst) == 0 {
		return nil
	}
	f, err := c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	return f.call(cuMemcpyDtoH, f.hold(unsafe.Pointer(&dst[0])), uintptr(src), uintptr(len(dst)))
}

// CopyFromHost copies all of src, which may be any memory, to the device, and
// src may be changed once it returns. The copy is ordered like work on the
// legacy default stream.
func (c *Context) CopyFromHost(dst DevicePtr, src []byte) error {
	if len(src) == 0 {
		return nil
	}
	f, err := c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	return f.call(cuMemcpyHtoD, uintptr(dst), f.hold(unsafe.Pointer(&src[0])), uintptr(len(src)))
}
