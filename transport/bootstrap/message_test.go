package bootstrap

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monel-dev/monel/transport"
)

func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, count = 4, 200
		s := newStar(t, size, nil)
		payload := make([]byte, 0, 10)
		for i := range count {
			for r := range size {
				payload = fmt.Appendf(payload[:0], "%d", i) // may be reused at once
				if err := s.ranks[0].Send(r, payload); err != nil {
					t.Fatal(err)
				}
				if r > 0 {
					if err := s.ranks[r].Send(0, payload); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if err := s.ranks[2].Send(0, make([]byte, MaxMessage)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for r := range size {
			next := make([]int, size)
			for _, m := range s.got[r] {
				var from, i int
				if n, err := fmt.Sscanf(m, "%d:%d", &from, &i); n != 2 {
					if len(m) != MaxMessage+2 || r != 0 {
						t.Fatalf("rank %d got %.20q: %v", r, m, err)
					}
					continue
				}
				if i != next[from] {
					t.Fatalf("rank %d got %d from rank %d, want %d", r, i, from, next[from])
				}
				next[from]++
			}
			for from, n := range next {
				want := 0
				if from == 0 || r == 0 {
					want = count
				}
				if n != want {
					t.Errorf("rank %d got %d messages from rank %d, want %d", r, n, from, want)
				}
			}
		}
		for name, err := range map[string]error{
			"too long":         s.ranks[1].Send(0, make([]byte, MaxMessage+1)),
			"between members":  s.ranks[1].Send(2, nil),
			"to itself":        s.ranks[1].Send(1, nil),
			"to nobody":        s.ranks[0].Send(size, nil),
			"to less than one": s.ranks[0].Send(-1, nil),
		} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		s.close()
	})
}

// Messages wait for a handler.
func TestHandlerSetLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		m, err := NewMember(ControlConfig{Logger: quiet}, 1, 2, b)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCoordinator(ControlConfig{Logger: quiet}, []net.Conn{nil, a})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(1, []byte("early")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		got := make(chan string, 1)
		m.Handle(func(_ int, b []byte) { got <- string(b) })
		if s := <-got; s != "early" {
			t.Errorf("%q", s)
		}
		(&star{ranks: []*Control{c, m}}).close()
	})
}

// A peer that takes nothing does not block whoever sends: it is lost.
func TestOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, _ := net.Pipe()
		a, b := net.Pipe()
		cfg := ControlConfig{Logger: quiet, QueueBytes: 1 << 20}
		m, err := NewMember(cfg, 1, 3, b)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCoordinator(cfg, []net.Conn{nil, a, stuck})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for err == nil && time.Since(began) < time.Second {
			err = c.Send(2, make([]byte, 1<<16))
		}
		var e *transport.RankError
		if !errors.As(err, &e) || e.Rank != 2 || !errors.Is(err, transport.ErrPeerLost) {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took > flushTime {
			t.Errorf("sending took %v", took)
		}
		s := &star{t: t, ranks: []*Control{c, m}}
		s.want(s.same(), 2, transport.ErrPeerLost)
		s.close()
	})
}
