package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
)

// TestCheckBlocksCounts: counts that fit together, do not, and would if their product
// overflowed, as it can where a tensor is expanded.
func TestCheckBlocksCounts(t *testing.T) {
	f := func(n int64) strided.Tensor { return strided.Of(make([]int8, 1)).Expand(n) }
	for _, c := range []struct {
		all, one int64
		ranks    int
		fit      bool
	}{
		{12, 4, 3, true}, {0, 0, 3, true}, {1 << 58, 1 << 52, 64, true},
		{11, 4, 3, false}, {13, 4, 3, false}, {0, 4, 3, false}, {4, 0, 3, false},
		{0, 1 << 57, 128, false}, {512, 1<<55 + 1, 512, false},
	} {
		all, one := f(c.all), f(c.one)
		require.NoError(t, all.Err())
		require.NoError(t, one.Err())
		argument, err := checkBlocks("dst", all, "src", one, c.ranks)
		if c.fit {
			require.NoError(t, err, "%+v", c)
			continue
		}
		require.ErrorIs(t, err, strided.ErrShape, "%+v", c)
		require.Equal(t, "dst", argument)
	}
}
