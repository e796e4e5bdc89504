package doubling_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/doubling"
)

// TestMergesAreThoseOfSteps: the same tree of combinations, for every size, with
// no more intermediate results than said, none of them used twice.
func TestMergesAreThoseOfSteps(t *testing.T) {
	for size := 2; size <= 130; size++ {
		want, _ := simulate(t, size, rand.New(rand.NewPCG(uint64(size), 1)))
		have := map[int]run{}
		for r := range size {
			have[r] = run{r, r + 1, fmt.Sprint(r)}
		}
		merges := doubling.Merges(size)
		require.Len(t, merges, size-1)
		for _, m := range merges {
			left, ok := have[m.Left]
			require.True(t, ok, "size %d: %v", size, m)
			right, ok := have[m.Right]
			require.True(t, ok, "size %d: %v", size, m)
			delete(have, m.Left)
			delete(have, m.Right)
			out, err := left.with(right)
			require.NoError(t, err)
			require.NotContains(t, have, m.Out)
			require.GreaterOrEqual(t, m.Out, size)
			require.Less(t, m.Out, size+doubling.Levels(size))
			have[m.Out] = out
		}
		require.Equal(t, map[int]run{merges[size-2].Out: want[0]}, have, "size %d", size)
	}
	require.Empty(t, doubling.Merges(1))
}
