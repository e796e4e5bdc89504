package conformance

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// Wires gives the meshes of one test process connections to each other over loopback, as
// a session would, for transports that introduce their links on such.
type Wires struct {
	mu    sync.Mutex
	boxes map[wire]chan net.Conn
}

type wire struct{ from, to, channel int }

// NewWires returns wires on which nobody has dialed.
func NewWires() *Wires { return &Wires{boxes: map[wire]chan net.Conn{}} }

func (w *Wires) box(key wire) chan net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.boxes[key] == nil {
		w.boxes[key] = make(chan net.Conn, 4)
	}
	return w.boxes[key]
}

// Source is what a rank's mesh is given of the wires.
func (w *Wires) Source(rank int) Source { return Source{w, rank} }

// Source is one rank's view of wires.
type Source struct {
	wires *Wires
	rank  int
}

// Dial makes a connection that the peer gets from Accept.
func (s Source) Dial(_ context.Context, peer, channel int) (net.Conn, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return nil, err
	}
	accepted, err := ln.Accept()
	if err != nil {
		dialed.Close()
		return nil, err
	}
	s.wires.box(wire{s.rank, peer, channel}) <- accepted
	return dialed, nil
}

// Accept waits for a connection that the peer dials.
func (s Source) Accept(ctx context.Context, peer, channel int) (net.Conn, error) {
	select {
	case c := <-s.wires.box(wire{peer, s.rank, channel}):
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// CloseLeft closes what nobody has accepted.
func (w *Wires) CloseLeft() {
	for _, box := range w.boxes {
		for len(box) > 0 {
			(<-box).Close()
		}
	}
}

// Reacher is a mesh that finds out whether it reaches a peer.
type Reacher interface {
	Reach(ctx context.Context, peer int) error
}

// ReachAll has every rank of a world ask for every other one, side by side, and returns
// the answers by asker and peer.
func ReachAll[M Reacher](t testing.TB, all []M) map[[2]int]error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	answers := map[[2]int]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for rank, m := range all {
		for peer := range all {
			if peer != rank {
				wg.Go(func() {
					err := m.Reach(ctx, peer)
					mu.Lock()
					defer mu.Unlock()
					answers[[2]int{rank, peer}] = err
				})
			}
		}
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		t.Fatalf("not all have an answer within a minute: %v", answers)
	}
	return answers
}
