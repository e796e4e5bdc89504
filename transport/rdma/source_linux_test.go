//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport/conformance"
)

// wires connects the meshes of one test process by loopback sockets, as a
// session would.
type wires struct {
	mu    sync.Mutex
	boxes map[wire]chan net.Conn
}

type wire struct{ from, to, channel int }

func newWires() *wires { return &wires{boxes: map[wire]chan net.Conn{}} }

func (w *wires) box(key wire) chan net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.boxes[key] == nil {
		w.boxes[key] = make(chan net.Conn, 4)
	}
	return w.boxes[key]
}

// source is one rank's view of wires.
type source struct {
	*wires
	rank int
}

func (s source) Dial(_ context.Context, peer, channel int) (net.Conn, error) {
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
	s.box(wire{s.rank, peer, channel}) <- accepted
	return dialed, nil
}

func (s source) Accept(ctx context.Context, peer, channel int) (net.Conn, error) {
	select {
	case c := <-s.box(wire{peer, s.rank, channel}):
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// closeLeft closes what nobody has accepted.
func (w *wires) closeLeft() {
	for _, box := range w.boxes {
		for len(box) > 0 {
			(<-box).Close()
		}
	}
}

// meshes makes the meshes of a world in this process.
func meshes(t testing.TB, ranks int, cfg Config) ([]*Mesh, *wires) {
	t.Helper()
	w := newWires()
	var all []*Mesh
	for rank := range ranks {
		own := cfg
		own.Rank, own.Size, own.LocalRank, own.LocalRanks = rank, ranks, rank, ranks
		m, err := New(own, source{w, rank})
		require.NoError(t, err)
		all = append(all, m)
	}
	return all, w
}

// closeAfter makes the end of the test close the meshes.
func closeAfter(t testing.TB, all []*Mesh) {
	t.Cleanup(func() {
		for _, m := range all {
			require.NoError(t, m.Close())
		}
	})
}

func factory(cfg Config) conformance.Factory {
	return func(t *testing.T, ranks int) *conformance.World {
		all, wires := meshes(t, ranks, cfg)
		w := &conformance.World{Kill: func(rank int) { all[rank].kill() }, Close: wires.closeLeft}
		w.MaxInFlight = 2 * int64(all[0].Slots()) * int64(all[0].SlotSize())
		for _, m := range all {
			w.Meshes = append(w.Meshes, m)
		}
		return w
	}
}
