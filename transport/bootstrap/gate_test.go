package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monel-dev/monel/transport"
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

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// fromConn is a pipe with an address.
type fromConn struct {
	net.Conn
	from string
}

func (c fromConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(addrs(c.from)[0]) }

func (l *pipeListener) dial(from string) net.Conn {
	a, b := net.Pipe()
	l.conns <- fromConn{b, from}
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
		if err := dialHandshake(c, handshakeKey(secret), testIntro, strangerTime); err != nil {
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
		if err := dialHandshake(slow, handshakeKey(secret), testIntro, strangerTime); err != nil {
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

// hostile are ways to bother a listener. Each returns when stop is closed or it
// is done with one connection.
var hostile = []func(c net.Conn, record []byte){
	func(c net.Conn, _ []byte) { c.Close() },                                          // knocks and runs
	func(c net.Conn, _ []byte) { time.Sleep(50 * time.Millisecond); c.Close() },       // is mute
	func(c net.Conn, _ []byte) { io.WriteString(c, "GET / HTTP/1.0\r\n\r\n") },        // port scanner
	func(c net.Conn, _ []byte) { b := make([]byte, 500); rand8(b); c.Write(b) },       // noise
	func(c net.Conn, record []byte) { c.Write(record); io.ReadAll(c) },                // replay
	func(c net.Conn, record []byte) { c.Write(record[:introSize]); io.ReadAll(c) },    // half a handshake
	func(c net.Conn, record []byte) { c.Write(record[:20]); time.Sleep(time.Second) }, // less
	func(c net.Conn, record []byte) { // a well-made introduction, and a wrong proof
		b := bytes.Clone(record)
		rand8(b[introSize:])
		c.Write(b)
		io.ReadAll(c)
	},
}

func rand8(b []byte) {
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
}

// flood bothers addr from n goroutines until stop is called, which returns how
// many connections were made.
func flood(t *testing.T, addr string, record []byte, n int) (stop func() int) {
	t.Helper()
	var wg sync.WaitGroup
	var made atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	for i := range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				var d net.Dialer
				dctx, done := context.WithTimeout(ctx, time.Second)
				c, err := d.DialContext(dctx, "tcp", addr)
				done()
				if err != nil {
					time.Sleep(time.Millisecond)
					continue
				}
				made.Add(1)
				c.SetDeadline(time.Now().Add(time.Second))
				end := context.AfterFunc(ctx, func() { c.SetDeadline(past) })
				hostile[i%len(hostile)](c, record)
				end()
				c.Close()
			}
		})
	}
	return func() int {
		cancel()
		wg.Wait()
		return int(made.Load())
	}
}

// recordedDialer is what a member once sent to a root.
func recordedDialer(t *testing.T, secret Secret) []byte {
	t.Helper()
	dial := &tap{}
	in := intro{version: ProtocolVersion, purpose: PurposeRendezvous, from: 1, to: rootRank}
	if _, a, b := shake(dial, &tap{}, secret, secret, in, testDoorman(secret)); a != nil || b != nil {
		t.Fatal(a, b)
	}
	return dial.written.Bytes()
}

// Ranks meet, open links and leave while strangers flood the root and every
// rank's listener.
func TestFlood(t *testing.T) {
	runtime.GC()
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	record := recordedDialer(t, root.cfg.Secret)
	stopRoot := flood(t, root.Addr().String(), record, 64)
	time.Sleep(200 * time.Millisecond)
	began := time.Now()
	world := launch(t, 8, func(_ int, cfg *Config) { cfg.ID = root.ID() })
	met := time.Since(began)
	for r, m := range world {
		if m.err != nil {
			t.Fatalf("rank %d: %v", r, m.err)
		}
	}
	stopRank := flood(t, world[3].session.Addr().String(), record, 64)
	time.Sleep(200 * time.Millisecond)
	began = time.Now()
	checkLinks(t, world)
	linked := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&during)
	leaveAll(t, world)
	t.Logf("8 ranks met in %v among %d strangers, opened 56 links in %v among %d; %d KiB of heap and %d KiB of stacks more than before",
		met, stopRoot(), linked, stopRank(), (int64(during.HeapAlloc)-int64(before.HeapAlloc))>>10, (int64(during.StackInuse)-int64(before.StackInuse))>>10)
}

// Connections that nobody accepts are bounded, and do not stand in the way of
// those that somebody does.
func TestParkedConnections(t *testing.T) {
	world := launch(t, 2, byID(t))
	if world[0].err != nil || world[1].err != nil {
		t.Fatal(world)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for ch := range maxParked {
		c, err := world[0].session.Dial(ctx, 1, ch)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	short, done := context.WithTimeout(ctx, 300*time.Millisecond)
	defer done()
	_, err := world[0].session.Dial(short, 1, maxParked)
	var e *transport.RankError
	if !errors.As(err, &e) || e.Rank != 1 || !errors.Is(err, transport.ErrTimeout) {
		t.Errorf("one too many: %v", err)
	}
	if err != nil {
		says(t, err, "nobody has accepted")
	}
	got := make(chan error, 1)
	go func() {
		c, err := world[1].session.Accept(ctx, 0, maxParked)
		if err == nil {
			c.Close()
		}
		got <- err
	}()
	time.Sleep(10 * time.Millisecond)
	c, err := world[0].session.Dial(ctx, 1, maxParked) // somebody waits for this one
	if err != nil || <-got != nil {
		t.Fatalf("%v", err)
	}
	c.Close()
	// A newer connection takes the place of one that waits.
	c, err = world[0].session.Dial(ctx, 1, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "new")
	in, err := world[1].session.Accept(ctx, 0, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	b := make([]byte, 3)
	if _, err := io.ReadFull(in, b); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestSessionErrors(t *testing.T) {
	world := launch(t, 3, byID(t))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s := world[0].session
	for _, c := range [][2]int{{0, 0}, {-1, 0}, {3, 0}, {1, -1}, {1, 1 << 31}} {
		if _, err := s.Dial(ctx, c[0], c[1]); err == nil {
			t.Errorf("Dial %v", c)
		}
		if _, err := s.Accept(ctx, c[0], c[1]); err == nil {
			t.Errorf("Accept %v", c)
		}
	}
	// A context that ends.
	short, done := context.WithTimeout(ctx, 20*time.Millisecond)
	defer done()
	if _, err := s.Accept(short, 1, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	// Only one may wait for a link.
	waiting := make(chan error, 1)
	go func() {
		_, err := s.Accept(ctx, 1, 0)
		waiting <- err
	}()
	time.Sleep(10 * time.Millisecond)
	if _, err := s.Accept(ctx, 1, 0); err == nil {
		t.Error("two wait for the same link")
	}
	// A peer that has closed.
	world[2].session.Close()
	began := time.Now()
	_, err := s.Dial(ctx, 2, 0)
	var e *transport.RankError
	if !errors.As(err, &e) || e.Rank != 2 || !errors.Is(err, transport.ErrPeerLost) || time.Since(began) > 3*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	// Closing wakes whoever waits.
	s.Close()
	if err := <-waiting; !errors.Is(err, transport.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := s.Dial(ctx, 1, 0); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := s.Accept(ctx, 1, 0); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// A process of an earlier run with the same secret does not get in.
func TestStaleRun(t *testing.T) {
	secret := NewSecret()
	var worlds [][]member
	for range 2 {
		root, err := NewRoot(context.Background(), RootConfig{Addr: "127.0.0.1:0", Secret: secret, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		worlds = append(worlds, launch(t, 2, func(_ int, cfg *Config) { cfg.ID = root.ID() }))
	}
	old, now := worlds[0][0].session, worlds[1][1].session
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := dialAuthenticated(ctx, now.Addr(), old.key, intro{version: ProtocolVersion, purpose: PurposeData, session: old.table.session, from: 0, to: 1}, time.Second)
	if err == nil {
		t.Fatal("it got in")
	}
	says(t, err, "another run")
	_, err = dialAuthenticated(ctx, now.Addr(), old.key, intro{version: ProtocolVersion, purpose: PurposeData, session: now.table.session, from: 1, to: 0}, time.Second)
	if err == nil {
		t.Fatal("a connection meant for another rank got in")
	}
}
