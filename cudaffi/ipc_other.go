//go:build !amd64 && !arm64

package cudaffi

// openMemory is never reached: no library can be opened here.
func (f *frame) openMemory(*IPCHandle) error { return f.c.d.check(cuIpcOpenMemHandle, notSupported) }
