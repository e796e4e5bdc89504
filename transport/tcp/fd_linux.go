package tcp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// iovecs does one system call on a non-blocking descriptor. Such a call never
// waits, so it need not tell the scheduler that it may: the raw form saves that.
type iovecs [maxBuffers]unix.Iovec

func (v *iovecs) read(fd uintptr, bufs [][]byte) (int, unix.Errno) {
	if len(bufs) == 1 {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(bufs[0]))), uintptr(len(bufs[0])))
		return int(n), errno
	}
	v.set(bufs)
	n, _, errno := unix.RawSyscall(unix.SYS_READV, fd, uintptr(unsafe.Pointer(v)), uintptr(len(bufs)))
	v.clear(bufs)
	return int(n), errno
}

// write sends with MSG_NOSIGNAL: in a process whose main program is not Go's, a
// write to a lost peer would otherwise end the process.
func (v *iovecs) write(fd uintptr, bufs [][]byte) (int, unix.Errno) {
	if len(bufs) == 1 {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(bufs[0]))), uintptr(len(bufs[0])),
			unix.MSG_NOSIGNAL, 0, 0)
		return int(n), errno
	}
	v.set(bufs)
	msg := unix.Msghdr{Iov: &v[0]}
	msg.SetIovlen(len(bufs))
	n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL)
	v.clear(bufs)
	return int(n), errno
}

func (v *iovecs) set(bufs [][]byte) {
	for i, b := range bufs {
		v[i].Base = unsafe.SliceData(b)
		v[i].SetLen(len(b))
	}
}

func (v *iovecs) clear(bufs [][]byte) { clear(v[:len(bufs)]) }

// makePipe makes a pipe that never blocks.
func makePipe(p *[2]int) error { return unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK) }
