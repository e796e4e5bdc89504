package shm

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
func meshes(t testing.TB, ranks int, cfg Config, adapt func(rank int, sys *system)) ([]*Mesh, *wires) {
	t.Helper()
	w := newWires()
	var all []*Mesh
	for rank := range ranks {
		sys, err := localSystem()
		require.NoError(t, err)
		if adapt != nil {
			adapt(rank, &sys)
		}
		own := cfg
		own.Rank, own.Size = rank, ranks
		m, err := newMesh(own, source{w, rank}, sys)
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

func factory(cfg Config, adapt func(rank int, sys *system)) conformance.Factory {
	return func(t *testing.T, ranks int) *conformance.World {
		all, wires := meshes(t, ranks, cfg, adapt)
		w := &conformance.World{Kill: func(rank int) { all[rank].kill() }, Close: wires.closeLeft}
		for _, m := range all {
			w.Meshes = append(w.Meshes, m)
		}
		return w
	}
}
