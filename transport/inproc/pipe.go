package inproc

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeBuffer is how many bytes each direction of a Pipe holds before Write
// waits, about what a fresh socket would.
const pipeBuffer = 64 << 10

// Pipe returns the two ends of a stream connection in memory. Unlike net.Pipe
// it is buffered, as sockets are: a write of up to 64 KiB does not wait for the
// other side to read. It supports deadlines and works inside testing/synctest.
//
// After Close the other end reads what was written before and then io.EOF, and
// its writes return io.ErrClosedPipe; calls on the closed end return
// net.ErrClosed. Errors other than io.EOF come wrapped in *net.OpError.
func Pipe() (net.Conn, net.Conn) {
	ab, ba := newStream(), newStream()
	return &pipeConn{in: ba, out: ab}, &pipeConn{in: ab, out: ba}
}

// pipeConn is one end of a Pipe.
type pipeConn struct {
	in, out *stream
}

func (c *pipeConn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, c.wrap("read", err)
}

func (c *pipeConn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	return n, c.wrap("write", err)
}

func (c *pipeConn) Close() error {
	c.in.closeReader()
	c.out.closeWriter()
	return nil
}

func (c *pipeConn) LocalAddr() net.Addr  { return pipeAddr{} }
func (c *pipeConn) RemoteAddr() net.Addr { return pipeAddr{} }

func (c *pipeConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	return c.wrap("set", c.in.setDeadline(&c.in.reader, t))
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	return c.wrap("set", c.out.setDeadline(&c.out.writer, t))
}

func (c *pipeConn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "inproc", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// pipeAddr is the address of both ends of every Pipe.
type pipeAddr struct{}

func (pipeAddr) Network() string { return "inproc" }
func (pipeAddr) String() string  { return "inproc" }

// stream is one direction of a Pipe: a ring of bytes.
type stream struct {
	mu      sync.Mutex
	changed sync.Cond
	buf     []byte // allocated by the first write
	head, n int    // buf[head:head+n], modulo its length, is unread
	reader  end
	writer  end
}

// end is the state of a stream's reader or writer.
type end struct {
	closed  bool
	busy    bool        // a Write is under way; others wait, so that writes stay whole
	expired bool        // the deadline has passed
	timer   *time.Timer // will set expired
}

func newStream() *stream {
	s := &stream{}
	s.changed.L = &s.mu
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.reader.closed:
			return 0, net.ErrClosed
		case s.reader.expired:
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case s.n > 0:
			first := s.buf[s.head:min(s.head+s.n, len(s.buf))]
			n := copy(b, first)
			n += copy(b[n:], s.buf[:s.n-len(first)])
			s.head = (s.head + n) % len(s.buf)
			s.n -= n
			s.changed.Broadcast()
			return n, nil
		case s.writer.closed:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

func (s *stream) write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	written, mine := 0, false
	defer func() {
		if mine {
			s.writer.busy = false
			s.changed.Broadcast()
		}
	}()
	for {
		switch {
		case s.writer.closed:
			return written, net.ErrClosed
		case s.writer.expired:
			return written, os.ErrDeadlineExceeded
		case s.reader.closed:
			return written, io.ErrClosedPipe
		case written == len(b):
			return written, nil
		}
		if !s.writer.busy {
			mine, s.writer.busy = true, true
		}
		if s.buf == nil {
			s.buf = make([]byte, pipeBuffer)
		}
		if mine && s.n < len(s.buf) {
			n := s.fill(b[written:])
			written += n
			s.changed.Broadcast()
			continue
		}
		s.changed.Wait()
	}
}

// fill copies as much of b as fits behind the unread bytes.
func (s *stream) fill(b []byte) int {
	total := 0
	for len(b) > 0 && s.n < len(s.buf) {
		tail := (s.head + s.n) % len(s.buf)
		n := copy(s.buf[tail:min(tail+len(s.buf)-s.n, len(s.buf))], b)
		b = b[n:]
		s.n += n
		total += n
	}
	return total
}

func (s *stream) closeReader() { s.close(&s.reader) }
func (s *stream) closeWriter() { s.close(&s.writer) }

func (s *stream) close(e *end) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.closed = true
	e.stop()
	s.changed.Broadcast()
}

func (s *stream) setDeadline(e *end, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	e.stop()
	e.expired = false
	if t.IsZero() {
		return nil
	}
	wait := time.Until(t)
	if wait <= 0 {
		e.expired = true
		s.changed.Broadcast()
		return nil
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		// A later deadline may have taken this one's place meanwhile.
		if e.timer == timer {
			e.expired = true
			s.changed.Broadcast()
		}
	})
	e.timer = timer
	return nil
}

func (e *end) stop() {
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
}
