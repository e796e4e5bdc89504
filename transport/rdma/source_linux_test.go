//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport/conformance"
)

// meshes makes the meshes of a world in this process.
func meshes(t testing.TB, ranks int, cfg Config) ([]*Mesh, *conformance.Wires) {
	t.Helper()
	w := conformance.NewWires()
	var all []*Mesh
	for rank := range ranks {
		own := cfg
		own.Rank, own.Size, own.LocalRank, own.LocalRanks = rank, ranks, rank, ranks
		m, err := New(own, w.Source(rank))
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
		w := &conformance.World{Kill: func(rank int) { all[rank].kill() }, Close: wires.CloseLeft}
		w.MaxInFlight = 2 * int64(all[0].Slots()) * int64(all[0].SlotSize())
		for _, m := range all {
			w.Meshes = append(w.Meshes, m)
		}
		return w
	}
}
