package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

// Handled connections come to the handler, also those that came before it, and leave no
// trace in what waits to be accepted.
func TestHandle(t *testing.T) {
	world := launch(t, 2, byID(t))
	if world[0].err != nil || world[1].err != nil {
		t.Fatal(world)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	got := make(chan string, 100)
	echo := func(conn net.Conn, from int) {
		defer conn.Close()
		b, err := io.ReadAll(conn)
		if err != nil || from != 0 {
			t.Errorf("from %d: %v", from, err)
		}
		got <- string(b)
	}
	say := func(channel int, text string) {
		t.Helper()
		c, err := world[0].session.DialFor(ctx, PurposeMeeting, 1, channel)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
	}
	say(1, "early")
	s := world[1].session
	for parked := 0; parked == 0; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		parked = len(s.boxes)
		s.mu.Unlock()
		if ctx.Err() != nil {
			t.Fatal("nothing came")
		}
	}
	s.Handle(PurposeMeeting, echo)
	if text := <-got; text != "early" {
		t.Errorf("got %q", text)
	}
	for range 2 * maxParked { // which would be too many to wait
		say(1, "later")
		if text := <-got; text != "later" {
			t.Errorf("got %q", text)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parked[0] != 0 || len(s.boxes) != 0 {
		t.Errorf("%d connections wait, %v", s.parked[0], s.boxes)
	}
}

func TestGone(t *testing.T) {
	world := launch(t, 3, byID(t))
	for _, r := range world {
		if r.err != nil {
			t.Fatal(r.err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if world[0].session.Gone(ctx, 1) || world[0].session.Gone(ctx, 2) {
		t.Error("both listen")
	}
	world[1].session.Close()
	if !world[0].session.Gone(ctx, 1) || world[0].session.Gone(ctx, 2) {
		t.Error("rank 1 does not listen any more, rank 2 does")
	}
	cancel()
	if world[0].session.Gone(ctx, 1) {
		t.Error("nobody has looked")
	}
}

// What a rank seals, the ranks of the same session can open, and nobody else; nor can
// it be altered.
func TestSeal(t *testing.T) {
	world := launch(t, 2, byID(t))
	other := launch(t, 2, byID(t))
	if world[0].err != nil || world[1].err != nil || other[0].err != nil {
		t.Fatal(world, other)
	}
	plain := []byte("the secret of a new communicator")
	sealed := world[0].session.Seal(plain)
	if bytes.Contains(sealed, plain[:8]) || bytes.Equal(sealed, world[0].session.Seal(plain)) {
		t.Error("it can be told")
	}
	got, err := world[1].session.Open(sealed)
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := other[0].session.Open(sealed); !errors.Is(err, transport.ErrProtocol) {
		t.Errorf("another session opens it: %v", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := world[1].session.Open(bad); !errors.Is(err, transport.ErrProtocol) {
			t.Fatalf("altered in byte %d: %v", i, err)
		}
		if _, err := world[1].session.Open(sealed[:i]); !errors.Is(err, transport.ErrProtocol) {
			t.Fatalf("cut off after %d bytes: %v", i, err)
		}
	}
}
