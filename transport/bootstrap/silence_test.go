package bootstrap

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monel-dev/monel/transport"
)

// mute is a connection whose other end lives but says nothing.
func mute() (end net.Conn) {
	a, b := net.Pipe()
	go io.Copy(io.Discard, b)
	return a
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		cfg := ControlConfig{Logger: quiet, Heartbeat: 3 * time.Second, LostAfter: 20 * time.Second}
		m, err := NewMember(cfg, 1, 3, b)
		if err != nil {
			t.Fatal(err)
		}
		silent := mute()
		began := time.Now()
		c, err := NewCoordinator(cfg, []net.Conn{nil, a, silent})
		if err != nil {
			t.Fatal(err)
		}
		s := &star{t: t, ranks: []*Control{c, m}}
		e := s.same()
		s.want(e, 2, transport.ErrPeerLost)
		if took := time.Since(began); took < 20*time.Second || took > 20*time.Second+flushTime {
			t.Errorf("took %v", took)
		}
		if !strings.Contains(e.Error(), "20s") {
			t.Errorf("%v does not tell the time", e)
		}
		s.close()
	})
}

func TestSilentCoordinator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m, err := NewMember(ControlConfig{Logger: quiet}, 1, 2, mute())
		if err != nil {
			t.Fatal(err)
		}
		s := &star{t: t, ranks: []*Control{m}}
		s.want(s.same(), 0, transport.ErrPeerLost)
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
		s.close()
	})
}

// stalled is a connection whose traffic can be held up both ways for a while, as
// when the process at one end is stopped: what was sent meanwhile is there
// afterwards.
func stalled(t *testing.T, from, to time.Duration) (a, b net.Conn) {
	a, x := net.Pipe()
	b, y := net.Pipe()
	began := time.Now()
	relay := func(dst, src net.Conn) {
		ch := make(chan []byte, 1000)
		go func() {
			defer close(ch)
			for {
				buf := make([]byte, 4096)
				n, err := src.Read(buf)
				if err != nil {
					return
				}
				ch <- buf[:n]
			}
		}()
		for b := range ch {
			if at := time.Since(began); at >= from && at < to {
				time.Sleep(to - at)
			}
			dst.Write(b)
		}
		dst.Close()
	}
	go relay(x, y)
	go relay(y, x)
	return a, b
}

func TestStallShorterThanLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := stalled(t, time.Minute, time.Minute+8*time.Second)
		cfg := ControlConfig{Logger: quiet}
		m, err := NewMember(cfg, 1, 2, b)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCoordinator(cfg, []net.Conn{nil, a})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if c.Err() != nil || m.Err() != nil {
			t.Errorf("%v; %v", c.Err(), m.Err())
		}
		(&star{ranks: []*Control{c, m}}).close()
	})
}

// Both sides give each other up; the coordinator learns from the member that it
// was the one who was away.
func TestStoppedCoordinator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		// The coordinator hears nothing for 30 s, and would still read what was
		// sent: only its reading is held up.
		held := &heldConn{Conn: a, until: time.Now().Add(30 * time.Second)}
		cfg := ControlConfig{Logger: quiet}
		m, err := NewMember(cfg, 1, 2, &bufferedConn{Conn: b})
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCoordinator(cfg, []net.Conn{nil, held})
		if err != nil {
			t.Fatal(err)
		}
		s := &star{t: t, ranks: []*Control{c, m}}
		s.want(s.same(), 0, transport.ErrPeerLost)
		s.close()
	})
}

// heldConn is the end of a process that was stopped until then: it neither reads
// nor writes, and its deadlines have no effect meanwhile.
type heldConn struct {
	net.Conn
	until time.Time
}

func (c *heldConn) Read(b []byte) (int, error) {
	time.Sleep(time.Until(c.until))
	c.Conn.SetReadDeadline(time.Now().Add(time.Second)) // its second look
	return c.Conn.Read(b)
}

func (c *heldConn) Write(b []byte) (int, error) {
	time.Sleep(time.Until(c.until))
	return c.Conn.Write(b)
}

// bufferedConn has the buffer of a socket: writing does not wait for the reader,
// and what was written before Close still arrives.
type bufferedConn struct {
	net.Conn
	once sync.Once
	ch   chan []byte
}

func (c *bufferedConn) Write(b []byte) (int, error) {
	c.once.Do(func() {
		c.ch = make(chan []byte, 1000)
		go func() {
			c.Conn.SetWriteDeadline(time.Time{})
			for b := range c.ch {
				if b == nil {
					c.Conn.Close()
					return
				}
				c.Conn.Write(b)
			}
		}()
	})
	c.ch <- append([]byte(nil), b...)
	return len(b), nil
}

func (c *bufferedConn) SetWriteDeadline(time.Time) error { return nil }

func (c *bufferedConn) Close() error {
	c.Write(nil)
	return nil
}
