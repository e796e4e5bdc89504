package tcp

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

// dialled is a ConnSource that gives out one connection.
type dialled struct{ net.Conn }

func (d dialled) Dial(context.Context, int, int) (net.Conn, error)   { return d.Conn, nil }
func (d dialled) Accept(context.Context, int, int) (net.Conn, error) { return d.Conn, nil }

// TestStalledOnlyWhileQueued checks that a sender counts as stalled while its
// socket is full, and no longer once all is written.
func TestStalledOnlyWhileQueued(t *testing.T) {
	for _, portable := range []bool{false, true} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		peer, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		m := New(Config{Rank: 0, Size: 2, Portable: portable}, dialled{conn})
		s, err := m.Sender(t.Context(), 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			slot, err := s.Acquire(ctx)
			cancel()
			if err != nil {
				break
			}
			if err := s.Commit(&transport.Header{}, len(slot)); err != nil {
				t.Fatal(err)
			}
			total += int64(headSize + len(slot))
		}
		if n := len(m.stalled.get()); n != 1 {
			t.Errorf("portable %v: %d senders stalled with a full socket, want 1", portable, n)
		}
		if _, err := io.CopyN(io.Discard, peer, total); err != nil {
			t.Fatal(err)
		}
		m.writers.Wait()
		if n := len(m.stalled.get()); n != 0 {
			t.Errorf("portable %v: %d senders stalled with nothing to write", portable, n)
		}
		m.Close()
		peer.Close()
		ln.Close()
	}
}

// TestNumbersGoOnPastTheirEnd has both ends of a link with three connections
// agree on lanes and numbers where the numbers begin again, amid a round.
func TestNumbersGoOnPastTheirEnd(t *testing.T) {
	const lanes = 3
	const first = 1<<32 - 2*lanes // 2^32 is no multiple of lanes
	s := &sender{lanes: make([]lane, lanes), number: first}
	r := &receiver{lanes: make([]inlane, lanes)}
	for j := range r.lanes {
		r.lanes[j].in = inbound{number: uint32(first + j), step: lanes}
	}
	r.cur = &r.lanes[0]
	for i := range 5 * lanes {
		if want := uint32(first + i); s.number != want || r.cur.in.number != want {
			t.Fatalf("frame %d is number %d to its sender and %d to its receiver, want %d", i, s.number, r.cur.in.number, want)
		}
		if l := s.next(); l != &s.lanes[i%lanes] || r.cur != &r.lanes[i%lanes] {
			t.Fatalf("frame %d does not go over lane %d", i, i%lanes)
		}
		r.cur.in.whole = true
		r.Release()
	}
}
