package bootstrap

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
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
