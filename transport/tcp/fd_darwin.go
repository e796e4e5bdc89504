package tcp

import "golang.org/x/sys/unix"

// iovecs does one system call on a non-blocking descriptor.
type iovecs struct{}

func (*iovecs) read(fd uintptr, bufs [][]byte) (int, unix.Errno) {
	if len(bufs) == 1 {
		return result(unix.Read(int(fd), bufs[0]))
	}
	return result(unix.Readv(int(fd), bufs))
}

func (*iovecs) write(fd uintptr, bufs [][]byte) (int, unix.Errno) {
	if len(bufs) == 1 {
		return result(unix.Write(int(fd), bufs[0]))
	}
	return result(unix.Writev(int(fd), bufs))
}

func result(n int, err error) (int, unix.Errno) {
	if err == nil {
		return n, 0
	}
	if errno, ok := err.(unix.Errno); ok {
		return 0, errno
	}
	return 0, unix.EIO
}

// makePipe makes a pipe that never blocks.
func makePipe(p *[2]int) error {
	if err := unix.Pipe(p[:]); err != nil {
		return err
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
	}
	return nil
}
