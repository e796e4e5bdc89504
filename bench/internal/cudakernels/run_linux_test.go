//go:build (amd64 || arm64) && !nocuda

package cudakernels

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/strided/dtype"
)

func open(t *testing.T) (*Bench, *cudasim.Sim) {
	sim := cudasim.Load(t)
	d, err := cudaffi.Open(sim.Path())
	require.NoError(t, err)
	b, err := Open(d, 0)
	require.NoError(t, err)
	return b, sim
}

func TestMeasure(t *testing.T) {
	b, sim := open(t)
	p := Plan{Bytes: 40_000, CheckBytes: 20_000, Rounds: 2}
	asked := 0
	p.Others = append(p.Others, func(c Case, s layouts.Spec) (float64, bool, error) {
		asked++
		return 2, c.Slots == Pinned, nil
	})
	for _, c := range Cases(dtype.All(), dtype.Ops(), []Slots{Device, Pinned}, 4096) {
		asked = 0
		row, err := b.Measure(c, p)
		require.NoError(t, err, c.Name())
		require.Zero(t, row.Wrong, c.Name())
		require.Len(t, row.Ours, 2)
		require.Len(t, row.Copy, 2)
		require.Equal(t, 2, asked)
		require.Equal(t, c.Slots == Pinned, len(row.Others[0]) == 2)
		require.InDelta(t, p.Bytes, row.Bytes, 8000, c.Name())
	}
	require.NoError(t, b.Close())
	require.Empty(t, sim.Leaks())
}

// TestVerifySees makes a kernel go wrong by moving the tensor under the view.
func TestVerifySees(t *testing.T) {
	b, _ := open(t)
	for _, c := range Cases([]dtype.DType{dtype.Float32}, []dtype.Op{dtype.Sum}, []Slots{Pinned}, 4096) {
		s, err := b.place(c, 20_000)
		require.NoError(t, err)
		wrong, err := s.verify()
		require.NoError(t, err)
		require.Zero(t, wrong, c.Name())
		s.view.Base += 4
		wrong, err = s.verify()
		require.NoError(t, err)
		require.Positive(t, wrong, c.Name())
	}
	require.NoError(t, b.Close())
}
