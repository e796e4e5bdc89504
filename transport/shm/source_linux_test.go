package shm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport/conformance"
)

// meshes makes the meshes of a world in this process.
func meshes(t testing.TB, ranks int, cfg Config, adapt func(rank int, sys *system)) ([]*Mesh, *conformance.Wires) {
	t.Helper()
	w := conformance.NewWires()
	var all []*Mesh
	for rank := range ranks {
		sys, err := localSystem()
		require.NoError(t, err)
		if adapt != nil {
			adapt(rank, &sys)
		}
		own := cfg
		own.Rank, own.Size = rank, ranks
		m, err := newMesh(own, w.Source(rank), sys)
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
		w := &conformance.World{Short: true, Kill: func(rank int) { all[rank].kill() }, Close: wires.CloseLeft}
		for _, m := range all {
			w.Meshes = append(w.Meshes, m)
		}
		return w
	}
}
