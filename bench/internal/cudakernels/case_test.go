package cudakernels

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/kernels"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestCases: every case has a name of its own, and a tensor of about the size that
// is asked for.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases(dtype.All(), dtype.Ops(), []Slots{Device, Pinned}, 1<<20) {
		require.False(t, seen[c.Name()], c.Name())
		seen[c.Name()] = true
		for _, bytes := range []int64{64 << 10, 8 << 20, 256 << 20} {
			require.InEpsilon(t, bytes, c.Spec(bytes).Count()*int64(c.DType.Size()), 0.3, "%s of %d bytes", c.Name(), bytes)
		}
	}
	require.True(t, seen["pack/int8/transpose/device/whole"])
	require.False(t, seen["pack/uint8/transpose/device/whole"], "int8 stands for it")
	require.True(t, seen["reduce_out/half/avg/slice/pinned/1024K"])
	require.False(t, seen["reduce_into/half/avg/slice/pinned/1024K"], "only the last step divides")
}

func TestRates(t *testing.T) {
	r := Row{Case: Case{Kernel: kernels.ReduceInto, Slots: Device}, Bytes: 1e9}
	require.InDelta(t, 3, r.Rate(1), 1e-9)
	require.InDelta(t, 2, r.CopyRate(1), 1e-9)
	r.Case.Slots = Pinned
	require.InDelta(t, 1, r.Rate(1), 1e-9)
	require.InDelta(t, 1, r.CopyRate(1), 1e-9)
}
