package tcp_test

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// abort dissolves the association, which on Linux resets the connection.
func abort(fd int) {
	nobody := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, _ = unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&nobody)), unix.SizeofSockaddrInet4)
}
