package tcp

import (
	"bytes"
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

// TestStripes cuts payloads and demands all of each, in order, in stripes that keep
// their offset within pages.
func TestStripes(t *testing.T) {
	for _, least := range []int{1, 100, DefaultStripe} {
		for _, n := range []int{0, 1, 99, 100, 4096, 4097, 12288, 70001, DefaultSlotSize} {
			for connections := 1; connections <= MaxConnections; connections++ {
				cut := stripesOf(n, connections, least)
				if cut.count < 1 || cut.count > connections || cut.count > 1 && n < 2*least {
					t.Fatalf("%d bytes over %d connections in stripes of %d: %d", n, connections, least, cut.count)
				}
				at := 0
				for j := range cut.count {
					lo, hi := cut.bounds(j)
					if lo != at || hi < lo || hi == lo && n > 0 || hi < n && hi%stripeAlign != 0 || cut.length(j) != hi-lo {
						t.Fatalf("%d bytes over %d connections: stripe %d is [%d,%d) after %d", n, connections, j, lo, hi, at)
					}
					at = hi
				}
				if at != n {
					t.Fatalf("%d bytes over %d connections: the stripes have %d", n, connections, at)
				}
			}
		}
	}
}

// TestBetween cuts lists of pieces anywhere.
func TestBetween(t *testing.T) {
	list := [][]byte{[]byte("abc"), nil, []byte("d"), []byte("efghi"), {}}
	for lo := range 10 {
		for hi := lo; hi < 10; hi++ {
			got := bytes.Join(between(nil, list, lo, hi), nil)
			if want := "abcdefghi"[lo:hi]; string(got) != want {
				t.Errorf("[%d,%d): %q, want %q", lo, hi, got, want)
			}
		}
	}
}
