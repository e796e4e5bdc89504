package limit

import (
	"errors"
	"io"
	"net"

	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/bench/internal/affinity"
)

// tcp is a connection to each neighbour, driven without Go's poller by one
// thread that sends and receives whatever is possible.
type tcp struct {
	out, in int // descriptors
	spins   int // looks before the thread sleeps
	keep    []io.Closer
}

func joinTCP(rank, size int, folder string) (*tcp, error) {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	if err := leave(meetAt(folder, rank), listener.Addr().String()); err != nil {
		return nil, err
	}
	address, err := fetch(meetAt(folder, (rank+1)%size))
	if err != nil {
		return nil, err
	}
	out, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	in, err := listener.AcceptTCP()
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	t := &tcp{}
	if affinity.Bind(rank, size) {
		t.spins = 10000
	}
	if t.out, err = t.descriptor(out.(*net.TCPConn)); err == nil {
		t.in, err = t.descriptor(in)
	}
	return t, err
}

// descriptor is a copy of the connection's that Go's poller does not know.
func (t *tcp) descriptor(conn *net.TCPConn) (int, error) {
	if err := conn.SetNoDelay(true); err != nil {
		return 0, err
	}
	f, err := conn.File()
	if err != nil {
		return 0, err
	}
	t.keep = append(t.keep, f, conn)
	fd := int(f.Fd())
	return fd, unix.SetNonblock(fd, true)
}

func (t *tcp) exchange(src, dst []byte, send, recv int64, chunk int) error {
	var sent, got int64
	for idle := 0; sent < send || got < recv; {
		var moved int
		if sent < send {
			n, err := again(unix.Write(t.out, piece(src, sent, send, chunk)))
			if err != nil {
				return err
			}
			sent += int64(n)
			moved += n
		}
		if got < recv {
			n, err := again(unix.Read(t.in, piece(dst, got, recv, chunk)))
			if err != nil {
				return err
			}
			got += int64(n)
			moved += n
		}
		if moved > 0 {
			idle = 0
			continue
		}
		if idle++; idle > t.spins {
			if err := t.wait(sent < send, got < recv); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait sleeps until the thread can go on.
func (t *tcp) wait(send, recv bool) error {
	var fds []unix.PollFd
	if send {
		fds = append(fds, unix.PollFd{Fd: int32(t.out), Events: unix.POLLOUT})
	}
	if recv {
		fds = append(fds, unix.PollFd{Fd: int32(t.in), Events: unix.POLLIN})
	}
	if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
		return err
	}
	return nil
}

// again makes no error of having to try again, and one of an end.
func again(n int, err error) (int, error) {
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}

// piece is what comes after done of total bytes, which are those of buf over and
// over.
func piece(buf []byte, done, total int64, chunk int) []byte {
	at := done % int64(len(buf))
	return buf[at:min(at+int64(chunk), at+total-done, int64(len(buf)))]
}
