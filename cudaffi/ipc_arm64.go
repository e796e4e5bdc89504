package cudaffi

import "unsafe"

// openMemory passes the handle by value: the calling convention has a copy of a
// struct of this size passed by its address.
func (f *frame) openMemory(h *IPCHandle) error {
	copied := new(IPCHandle)
	*copied = *h
	return f.call(cuIpcOpenMemHandle, f.outAt, f.hold(unsafe.Pointer(copied)), ipcLazyPeerAccess)
}
