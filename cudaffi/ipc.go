package cudaffi

import "unsafe"

const ipcLazyPeerAccess = 1

// IPCHandle lets another process of the host map an allocation. It may be sent
// to it as bytes.
type IPCHandle [64]byte

// ExportMemory makes a handle for the allocation that p points into, as a whole:
// OpenMemory returns its beginning, which Range knows. The allocation must not
// be freed while others have it open.
func (c *Context) ExportMemory(p DevicePtr) (IPCHandle, error) {
	f, err := c.enter()
	if err != nil {
		return IPCHandle{}, err
	}
	defer f.leave()
	h := new(IPCHandle)
	err = f.call(cuIpcGetMemHandle, f.hold(unsafe.Pointer(h)), uintptr(p))
	return *h, err
}

// OpenMemory maps an allocation of another process on the same device, or on
// one that this device has peer access to.
func (c *Context) OpenMemory(h IPCHandle) (DevicePtr, error) {
	f, err := c.enter()
	if err != nil {
		return 0, err
	}
	defer f.leave()
	if err := f.openMemory(&h); err != nil {
		return 0, err
	}
	return DevicePtr(f.out[0]), nil
}

// CloseMemory unmaps what OpenMemory returned.
func (c *Context) CloseMemory(p DevicePtr) error {
	f, err := c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	return f.call(cuIpcCloseMemHandle, uintptr(p))
}
