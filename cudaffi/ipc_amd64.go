package cudaffi

import "unsafe"

// openMemory passes the handle by value: the calling convention has a struct of
// this size on the stack, behind the arguments that are in registers, six of
// them whether used or not.
func (f *frame) openMemory(h *IPCHandle) error {
	w := (*[8]uintptr)(unsafe.Pointer(h))
	return f.call(cuIpcOpenMemHandle, f.outAt, ipcLazyPeerAccess, 0, 0, 0, 0,
		w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7])
}
