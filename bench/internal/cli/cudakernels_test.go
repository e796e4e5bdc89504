package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/cudakernels"
	"github.com/monel-dev/monel/strided/dtype"
)

func TestParseCUDAKernels(t *testing.T) {
	c, err := ParseCUDAKernels(nil)
	require.NoError(t, err)
	sizes := map[int]bool{}
	for _, dt := range c.DTypes {
		sizes[dt.Size()] = true
	}
	require.Len(t, sizes, 4, "every element size")
	require.Equal(t, []cudakernels.Slots{cudakernels.Device, cudakernels.Pinned}, c.Slots)
	require.EqualValues(t, 256<<20, c.Plan.Bytes)
	require.True(t, c.Filter.MatchString("anything"))
	require.False(t, c.Torch)

	c, err = ParseCUDAKernels([]string{"-d", "half", "-o", "max", "--filter", "^pack/", "--slots", "pinned", "--bytes", "1M", "--check", "64K",
		"--chunk", "256K", "--gpu", "1", "--rounds", "3", "--time", "1ms", "--peers", "torch", "--json", "-"})
	require.NoError(t, err)
	require.Equal(t, []dtype.DType{dtype.Float16}, c.DTypes)
	require.Equal(t, []dtype.Op{dtype.Max}, c.Ops)
	require.Equal(t, []cudakernels.Slots{cudakernels.Pinned}, c.Slots)
	require.False(t, c.Filter.MatchString("unpack/float"))
	require.Equal(t, cudakernels.Plan{Bytes: 1 << 20, CheckBytes: 64 << 10, Rounds: 3, MinTime: time.Millisecond}, c.Plan)
	require.EqualValues(t, 256<<10, c.Chunk)
	require.Equal(t, 1, c.Device)
	require.True(t, c.Torch)
	require.Equal(t, "-", c.JSON)

	for _, bad := range [][]string{{"--filter", "("}, {"--peers", "gcc"}, {"--rounds", "0"}, {"--chunk", "100"}, {"all_reduce"}, {"-d", "int3"},
		{"--slots", "host"}, {"--bytes", "8"}, {"--check", "0"}, {"--gpu", "-1"}} {
		_, err := ParseCUDAKernels(bad)
		require.Error(t, err, "%v", bad)
	}
	_, err = ParseCUDAKernels([]string{"--help"})
	require.ErrorIs(t, err, ErrHelp)
	require.Contains(t, CUDAKernelsUsage(), "--slots")
}
