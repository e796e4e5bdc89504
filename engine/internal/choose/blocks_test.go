package choose

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bruck"
)

// TestBlocksFollowTheModel compares with the formulas, term by term: what is chosen costs
// no more than what fits, and fits.
func TestBlocksFollowTheModel(t *testing.T) {
	const chunk = 256 << 10
	for size := int64(2); size < 200; size++ {
		for block := int64(0); block < 1<<21; block = block*3 + 1 {
			for _, near := range []bool{false, true} {
				message, spread := int64(Hop/3), block+block/4
				if near {
					message, spread = Hop/8, block
				}
				cost := map[Blocks]int64{RingOfBlocks: 2 * (size - 1) * (Hop + block)}
				if size == 2 && block <= Hop {
					cost = map[Blocks]int64{Spread: 0}
				} else if size > 2 && block <= chunk {
					cost[Spread] = 2*Hop + 2*(size-1)*(message+spread)
				}
				if size*block <= chunk {
					cost[Bruck] = 2*int64(bruck.Rounds(int(size)))*Hop + 3*(size-1)*block
				}
				got := AllGather(block, chunk, Hop, int(size), near)
				require.Contains(t, cost, got, "%d bytes, %d ranks", block, size)
				for other, c := range cost {
					require.LessOrEqual(t, cost[got], c+1, "%v or %v for %d bytes, %d ranks", got, other, block, size)
				}
				if scatter := ReduceScatter(block, chunk, Hop, int(size)); !near && got != scatter {
					require.Equal(t, []Blocks{Spread, RingOfBlocks}, []Blocks{got, scatter}, "the same, but for equals")
					require.Equal(t, cost[Spread], cost[RingOfBlocks])
				}
			}
		}
	}
	const level = 16 << 10 // where the ring and spreading cost four ranks the same
	require.Equal(t, Spread, AllGather(level, chunk, Hop, 4, false))
	require.Equal(t, RingOfBlocks, AllGather(level+64, chunk, Hop, 4, false))
	require.Equal(t, RingOfBlocks, ReduceScatter(level, chunk, Hop, 4), "whose bits stay what they were")
	require.Equal(t, RingOfBlocks, AllGather(Hop+1, chunk, Hop, 2, true), "two ranks exchange in any case")
}

func TestGatherByTree(t *testing.T) {
	const chunk = 256 << 10
	for _, c := range []struct {
		block int64
		size  int
		near  bool
		want  bool
	}{
		{8, 3, false, false}, {8, 7, false, false}, {8, 8, false, true}, {8, 9, false, false}, {8, 11, false, true},
		{8, 41, true, false}, {8, 42, true, true},
		{chunk / 8, 8, false, true}, {chunk/8 + 1, 8, false, false},
	} {
		require.Equal(t, c.want, GatherByTree(c.block, chunk, Hop, c.size, c.near), "%+v", c)
	}
}

func TestBroadcastFlat(t *testing.T) {
	for _, c := range []struct {
		bytes int64
		size  int
		want  bool
	}{{8, 2, false}, {8, 3, true}, {Hop / 3, 4, true}, {Hop/3 + 1, 4, false}, {8, MostDirect, true}, {8, MostDirect + 1, false}} {
		require.Equal(t, c.want, BroadcastFlat(c.bytes, Hop, c.size), "%+v", c)
	}
}
