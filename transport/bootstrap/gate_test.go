package bootstrap

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener hands out pipes, so that a gate runs in fake time.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// fromConn is a pipe with an address.
type fromConn struct {
	net.Conn
	from string
}

func (c fromConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(addrs(c.from)[0]) }

func (l *pipeListener) dial(from string) net.Conn {
	a, b := net.Pipe()
	select {
	case l.conns <- fromConn{b, from}:
	case <-l.closed:
		b.Close()
	}
	return a
}

func testGate(ln net.Listener, secret Secret, limit int) (*gate, chan intro) {
	admitted := make(chan intro, 1000)
	g := &gate{ln: ln, key: handshakeKey(secret), version: ProtocolVersion, timeout: strangerTime, limit: limit, decide: allow,
		admit: func(c net.Conn, in intro) { c.Close(); admitted <- in },
		log:   &strangerLog{logger: quiet, where: "test"}}
	g.start()
	return g, admitted
}

// However many strangers come, no more than the limit are held, for no longer
// than a handshake may take; and a member gets in between them.
func TestGateBoundsStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, secret := newPipeListener(), NewSecret()
		g, admitted := testGate(ln, secret, 10)
		hello := testIntro.encode(&[nonceSize]byte{})
		var strangers []net.Conn
		for i := range 500 {
			c := ln.dial(fmt.Sprintf("192.0.2.%d:1", i%3))
			strangers = append(strangers, c)
			if i%2 == 0 {
				go play(c, hello[:]) // introduces itself, and no more
			}
			synctest.Wait()
			g.mu.Lock()
			mute, introduced := len(g.mute.waiting), len(g.introduced.waiting)
			g.mu.Unlock()
			if mute > 10 || introduced > 10 {
				t.Fatalf("%d mute and %d introduced strangers are held", mute, introduced)
			}
		}
		c := ln.dial("198.51.100.1:1")
		if _, err := dialHandshake(c, handshakeKey(secret), testIntro, strangerTime); err != nil {
			t.Error(err)
		}
		c.Close()
		if in := <-admitted; in != testIntro {
			t.Errorf("%+v", in)
		}
		time.Sleep(strangerTime + time.Millisecond)
		g.mu.Lock()
		if n := len(g.mute.waiting) + len(g.introduced.waiting) + len(g.mute.from) + len(g.introduced.from) + len(g.proven); n != 0 {
			t.Errorf("%d are still held", n)
		}
		g.mu.Unlock()
		g.close()
		for _, c := range strangers {
			c.Close()
		}
	})
}

// A flood from one address does not drop those who come from others.
func TestGateDropsTheLoudest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, secret := newPipeListener(), NewSecret()
		g, admitted := testGate(ln, secret, 10)
		slow := ln.dial("198.51.100.1:1") // a member on a slow line
		synctest.Wait()
		var flood []net.Conn
		for i := range 100 {
			flood = append(flood, ln.dial(fmt.Sprintf("192.0.2.1:%d", i+1)))
		}
		synctest.Wait()
		if _, err := dialHandshake(slow, handshakeKey(secret), testIntro, strangerTime); err != nil {
			t.Error(err)
		}
		<-admitted
		slow.Close()
		g.close()
		for _, c := range flood {
			c.Close()
		}
	})
}

// syncBuffer takes log lines from several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func TestStrangersAreLoggedSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipeListener()
		var log syncBuffer
		g, _ := testGate(ln, NewSecret(), 10)
		g.log.logger = slog.New(slog.NewTextHandler(&log, nil))
		for range 100 {
			c := ln.dial("192.0.2.1:7")
			c.Write([]byte("GET / HTTP/1.1\r\n"[:8]))
			synctest.Wait()
			c.Close()
		}
		time.Sleep(2 * time.Second)
		c := ln.dial("192.0.2.1:8")
		c.Close()
		synctest.Wait()
		g.close()
		if n := strings.Count(log.b.String(), "\n"); n != 2 {
			t.Errorf("%d lines for 101 strangers:\n%s", n, log.b.String())
		}
		for _, want := range []string{"192.0.2.1:7", "does not speak Monel", "more=99"} {
			if !strings.Contains(log.b.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, log.b.String())
			}
		}
	})
}

// TestFloodFromOneNetwork: a stranger may have as many addresses of an IPv6 network as it
// likes, and members are let in all the same, however many there are at an address.
func TestFloodFromOneNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, secret := newPipeListener(), NewSecret()
		const limit, members = 64, 16
		g, _ := testGate(ln, secret, limit)
		defer g.close()
		hello := testIntro.encode(&[nonceSize]byte{})
		stop := make(chan struct{})
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Second / 1000):
				}
				conn := ln.dial(fmt.Sprintf("[2001:db8::%x]:1", n+1))
				go func() {
					conn.Write(hello[:])
					<-stop
					conn.Close()
				}()
			}
		}()
		time.Sleep(time.Second) // there is no room left
		failed := make(chan error, members)
		for range members {
			go func() {
				conn := slowWrites{ln.dial("[2001:db8:1::1]:1")}
				_, err := dialHandshake(conn, handshakeKey(secret), testIntro, strangerTime)
				failed <- err
			}()
		}
		for range members {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		close(stop)
	})
}

// slowWrites is a connection whose writes take half the way there and back.
type slowWrites struct{ net.Conn }

func (s slowWrites) Write(b []byte) (int, error) {
	time.Sleep(75 * time.Millisecond)
	return s.Conn.Write(b)
}

func TestOrigin(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":         "192.0.2.1",
		"::ffff:192.0.2.1":  "192.0.2.1",
		"2001:db8:1:2:3::4": "2001:db8:1:2::",
		"::1":               "::",
		"fe80::1%eth0":      "fe80::1%eth0",
	} {
		if got := origin(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s counts as %s, want %s", addr, got, want)
		}
	}
}
