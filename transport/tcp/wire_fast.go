//go:build linux || darwin

package tcp

import (
	"context"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// fastWire is a wire that works on a non-blocking descriptor of its own: it
// writes and reads in the caller's goroutine and polls for a while before it
// sleeps.
type fastWire struct {
	socket *socket
	wvec   iovecs

	rvec    iovecs
	spin    spin
	stalled *stalled // lanes to help along while polling
}

func newFastWire(conn *net.TCPConn, cfg *Config, stalled *stalled) (wire, error) {
	s, err := takeSocket(conn)
	if err != nil {
		return nil, err
	}
	return &fastWire{socket: s, spin: newSpin(cfg.Spin, cfg.crowded()), stalled: stalled}, nil
}

func (w *fastWire) tryWrite(bufs [][]byte) (int, error) {
	fd, ok := w.socket.enter()
	if !ok {
		return 0, net.ErrClosed
	}
	defer w.socket.leave()
	for {
		n, errno := w.wvec.write(uintptr(fd), bufs)
		switch errno {
		case 0:
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, errno
		}
	}
}

func (w *fastWire) drain(l *lane) error {
	for {
		l.mu.Lock()
		l.flush()
		empty := l.queue.empty()
		l.mu.Unlock()
		if empty {
			return nil
		}
		fd, ok := w.socket.enter()
		if !ok {
			return net.ErrClosed
		}
		err := w.socket.sleep(context.Background(), fd, unix.POLLOUT)
		w.socket.leave()
		if err != nil {
			return err
		}
	}
}

func (w *fastWire) read(ctx context.Context, bufs [][]byte) (int, error) {
	fd, ok := w.socket.enter()
	if !ok {
		return 0, net.ErrClosed
	}
	defer w.socket.leave()
	var poll polling
	for {
		n, errno := w.rvec.read(uintptr(fd), bufs)
		switch {
		case errno == 0 && n == 0:
			return 0, io.EOF
		case errno == 0:
			poll.success()
			return n, nil
		case errno == unix.EINTR:
			continue
		case errno != unix.EAGAIN:
			return 0, errno
		}
		w.stalled.help()
		if poll.again(&w.spin) && !w.socket.isClosed() {
			continue
		}
		if err := w.socket.sleep(ctx, fd, unix.POLLIN); err != nil {
			return 0, err
		}
	}
}

func (w *fastWire) close() { w.socket.close() }
