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
	require.Equal(t, dtype.All(), c.DTypes)
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

	for _, bad := range [][]string{{"--filter", "("}, {"--peers", "numpy"}, {"--rounds", "0"}, {"--chunk", "100"}, {"all_reduce"}, {"-d", "int3"}} {
		_, err := ParseKernels(bad)
		require.Error(t, err, "%v", bad)
	}
	_, err = ParseKernels([]string{"--help"})
	require.ErrorIs(t, err, ErrHelp)
	require.Contains(t, KernelsUsage(), "--filter")
}
