//go:build linux || darwin

package tcp

import (
	"context"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// fastWire is a wire that works on the non-blocking descriptor: it writes and
// reads in the caller's goroutine and polls for a while before it sleeps.
//
// All work happens inside methods of syscall.RawConn, which keep the descriptor
// from being closed, and its number from being reused, meanwhile.
type fastWire struct {
	conn *net.TCPConn
	raw  syscall.RawConn

	// The callbacks that raw is given, with their arguments and results, made
	// once so that a call allocates nothing.
	tryWriteFunc func(fd uintptr)
	wbufs        [][]byte
	wn           int
	werr         error
	wvec         iovecs

	readFunc func(fd uintptr) bool
	rctx     context.Context
	rbufs    [][]byte
	rn       int
	rerr     error
	rvec     iovecs
	rint     *interruption
	slept    bool
	spin     spin
	stalled  *stalled // senders to help along while polling
}

func newFastWire(conn *net.TCPConn, cfg *Config, stalled *stalled) (wire, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &fastWire{conn: conn, raw: raw, spin: newSpin(cfg.Spin), stalled: stalled}
	w.tryWriteFunc = w.writeNow
	w.readFunc = w.readOrSleep
	return w, nil
}

func (w *fastWire) tryWrite(bufs [][]byte) (int, error) {
	w.wbufs, w.wn, w.werr = bufs, 0, nil
	err := w.raw.Control(w.tryWriteFunc)
	w.wbufs = nil
	if err == nil {
		err = w.werr
	}
	return w.wn, err
}

func (w *fastWire) writeNow(fd uintptr) {
	for {
		n, errno := w.wvec.write(fd, w.wbufs)
		switch errno {
		case 0:
			w.wn = n
			return
		case unix.EINTR:
		case unix.EAGAIN:
			return
		default:
			w.werr = errno
			return
		}
	}
}

func (w *fastWire) drain(s *sender) error {
	return w.raw.Write(func(uintptr) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flush()
		return s.queue.empty()
	})
}

func (w *fastWire) read(ctx context.Context, bufs [][]byte) (int, error) {
	w.rctx, w.rbufs, w.rn, w.rerr, w.slept = ctx, bufs, 0, nil, false
	err := w.raw.Read(w.readFunc)
	w.rint.end()
	w.rctx, w.rbufs, w.rint = nil, nil, nil
	if err == nil {
		err = w.rerr
	}
	if isTimeout(err) && ctx.Err() != nil {
		err = errInterrupted
	}
	return w.rn, err
}

// readOrSleep reads, or polls for a while, or says that it is time to sleep
// until the descriptor becomes readable, and then is called again.
func (w *fastWire) readOrSleep(fd uintptr) bool {
	var poll polling
	for {
		n, errno := w.rvec.read(fd, w.rbufs)
		switch {
		case errno == 0 && n == 0:
			w.rerr = io.EOF
			return true
		case errno == 0:
			w.rn = n
			poll.success()
			return true
		case errno == unix.EINTR:
			continue
		case errno != unix.EAGAIN:
			w.rerr = errno
			return true
		}
		if w.slept {
			return false
		}
		w.stalled.help()
		if !poll.again(&w.spin) {
			w.slept = true
			w.rint = interruptOn(w.rctx, w.conn)
			return false
		}
	}
}

func (w *fastWire) close() { w.conn.Close() }
