package bootstrap

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

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
	parked := func() string {
		s := world[1].session
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.boxes[boxKey{PurposeData, 0, 7}].conn.RemoteAddr().String()
	}
	for parked() != c.LocalAddr().String() {
		if ctx.Err() != nil {
			t.Fatal("it does not")
		}
		time.Sleep(time.Millisecond)
	}
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

// A link that its dialer gave up before anybody accepted it is not handed out.
func TestAbandonedLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a closed connection cannot be told from an idle one here")
	}
	world := launch(t, 2, byID(t))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := world[0].session.Dial(ctx, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	time.Sleep(50 * time.Millisecond)
	go func() {
		time.Sleep(50 * time.Millisecond)
		if c, err := world[0].session.Dial(ctx, 1, 0); err == nil {
			io.WriteString(c, "x")
			c.Close() // what was sent before arrives
		}
	}()
	in, err := world[1].session.Accept(ctx, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if b, err := io.ReadAll(in); err != nil || string(b) != "x" {
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
