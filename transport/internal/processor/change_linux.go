package processor

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Change moves this thread to another processor that it may run on, if
// there is one. Where it may run is the same before and after.
func Change() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var may unix.CPUSet
	if unix.SchedGetaffinity(0, &may) != nil || may.Count() < 2 {
		return
	}
	var here uint32
	if _, _, failed := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&here)), 0, 0); failed != 0 {
		return
	}
	elsewhere := may
	elsewhere.Clear(int(here))
	if unix.SchedSetaffinity(0, &elsewhere) == nil {
		_ = unix.SchedSetaffinity(0, &may)
	}
}
