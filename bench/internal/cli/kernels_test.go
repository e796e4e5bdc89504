package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided/dtype"
)

func TestParseKernels(t *testing.T) {
	c, err := ParseKernels(nil)
	require.NoError(t, err)
	sizes := map[int]bool{}
	for _, dt := range c.DTypes {
		sizes[dt.Size()] = true
	}
	require.Len(t, sizes, 4, "every element size")
	require.Equal(t, []dtype.Op{dtype.Sum}, c.Ops)
	require.True(t, c.Filter.MatchString("anything"))

	c, err = ParseKernels([]string{"-d", "half", "-o", "max", "--filter", "^pack/", "--chunk", "64K", "--rounds", "3", "--time", "1ms", "--peers", "gcc,torch", "--json", "-"})
	require.NoError(t, err)
	require.Equal(t, []dtype.DType{dtype.Float16}, c.DTypes)
	require.Equal(t, []dtype.Op{dtype.Max}, c.Ops)
	require.False(t, c.Filter.MatchString("unpack/float"))
	require.Equal(t, int64(64<<10), c.Chunk)
	require.Equal(t, 3, c.Rounds)
	require.Equal(t, time.Millisecond, c.Time)
	require.Equal(t, []Peer{GCC, Torch}, c.Peers)
	require.Equal(t, "-", c.JSON)

	c, err = ParseKernels([]string{"-d", "all"})
	require.NoError(t, err)
	require.Equal(t, dtype.All(), c.DTypes)
	c, err = ParseKernels([]string{"-d", "bf16,int8"})
	require.NoError(t, err)
	require.Equal(t, []dtype.DType{dtype.BFloat16, dtype.Int8}, c.DTypes)

	for _, bad := range [][]string{{"--filter", "("}, {"--peers", "numpy"}, {"--rounds", "0"}, {"--chunk", "100"}, {"all_reduce"}, {"-d", "int3"}, {"-d", "half,int3"}, {"-d", "half,fp16"}, {"-d", ""}} {
		_, err := ParseKernels(bad)
		require.Error(t, err, "%v", bad)
	}
	_, err = ParseKernels([]string{"--help"})
	require.ErrorIs(t, err, ErrHelp)
	require.Contains(t, KernelsUsage(), "--filter")
}
