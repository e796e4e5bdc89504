package simulate

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/doubling"
	"github.com/monel-dev/monel/ring"
	"github.com/monel-dev/monel/tree"
)

// sizes are worlds up to 16384 ranks: small ones, and around powers of two.
func sizes() []int {
	var all []int
	for n := 1; n <= 40; n++ {
		all = append(all, n)
	}
	for n := 64; n <= 16384; n *= 2 {
		all = append(all, n-1, n)
		if n < 2048 {
			all = append(all, n+1, n+n/2)
		}
	}
	return all
}

func TestRing(t *testing.T) {
	for _, n := range sizes() {
		hops := int64(2*n - 2)
		counts := []int64{0, 1, chunk, large}
		if n > 1000 {
			counts = []int64{1, large}
		}
		for _, count := range counts {
			f, err := Ring(ringOf(n, count), ring.AllReduce)
			require.NoError(t, err)
			if n == 1 {
				require.Equal(t, Figures{}, f)
				continue
			}
			loops := max(1, (count+int64(n)*chunk-1)/(int64(n)*chunk))
			require.Equal(t, hops*loops, f.Messages, "n=%d count=%d", n, count)
			require.Equal(t, (hops+1)*loops, f.Steps, "n=%d count=%d", n, count)
			if loops == 1 {
				require.Equal(t, hops, f.Hops, "n=%d count=%d", n, count)
			}
			// 2 (n-1)/n of the elements, to within what the last loop's cut may be off.
			require.InDelta(t, float64(hops)/float64(n)*float64(count), float64(f.Sent), 3*align, "n=%d count=%d", n, count)
			if n <= looked {
				require.Equal(t, hops*count, f.Total, "n=%d count=%d", n, count)
			}
		}
	}
}

func TestDoubling(t *testing.T) {
	for _, n := range sizes() {
		f, err := Doubling(n, small)
		require.NoError(t, err)
		rounds := int64(doubling.Rounds(n))
		if power := n&(n-1) == 0; power {
			require.Equal(t, rounds, f.Hops, "n=%d", n)
			require.Equal(t, ceilLog2(n), rounds)
			require.Equal(t, rounds*small, f.Sent, "n=%d", n)
			require.Equal(t, int64(n)*rounds*small, f.Total, "n=%d", n)
		} else {
			require.LessOrEqual(t, f.Hops, rounds, "n=%d", n)
			require.GreaterOrEqual(t, f.Hops, rounds-1, "n=%d", n)
			require.LessOrEqual(t, f.Sent, (rounds-1)*small, "n=%d", n)
		}
	}
}

func TestTrees(t *testing.T) {
	for _, n := range sizes() {
		counts := []int64{0, 1, small, 3*chunk + 1}
		if n > 1000 {
			counts = counts[2:]
		}
		for _, count := range counts {
			for _, root := range []int{0, n / 3} {
				chunks := max(1, (count+chunk-1)/chunk)
				if n == 1 {
					chunks = 0
				}
				c := treeOf(tree.Binomial, n, count)
				c.Root = root
				f, err := Broadcast(c)
				require.NoError(t, err)
				log := ceilLog2(n)
				if n&(n-1) == 0 {
					require.Equal(t, log, f.Hops, "n=%d", n)
				}
				require.LessOrEqual(t, f.Hops, log, "n=%d", n)
				require.Equal(t, Figures{Hops: f.Hops, Steps: chunks, Sent: log * count, Total: int64(n-1) * count, Messages: chunks}, f, "n=%d", n)

				c.Algorithm = tree.Chain
				f, err = Broadcast(c)
				require.NoError(t, err)
				require.Equal(t, Figures{Hops: int64(n - 1), Steps: chunks, Sent: min(count, int64(n-1)*count), Total: int64(n-1) * count, Messages: chunks}, f, "n=%d", n)
			}
		}
	}
}

// TestRingBlocks: n-1 hops in each loop of a chunk of every block, and every rank sends
// all blocks but one.
func TestRingBlocks(t *testing.T) {
	for name, plan := range map[string]RingPlan{"all_gather": ring.AllGather, "reduce_scatter": ring.ReduceScatter} {
		for _, n := range sizes() {
			for _, block := range []int64{0, 1, 3*chunk + 1} {
				f, err := Ring(ringOf(n, block), plan)
				require.NoError(t, err)
				if n == 1 {
					require.Zero(t, f.Sent+f.Messages, name)
					continue
				}
				chunks, others := max(1, (block+chunk-1)/chunk), int64(n-1)
				require.Equal(t, others*chunks, f.Messages, "%s n=%d block=%d", name, n, block)
				require.Equal(t, others*block, f.Sent, "%s n=%d block=%d", name, n, block)
				require.GreaterOrEqual(t, f.Hops, others, "%s n=%d block=%d", name, n, block)
				require.LessOrEqual(t, f.Hops, others*chunks, "%s n=%d block=%d", name, n, block)
				if chunks == 1 {
					require.Equal(t, others, f.Hops, "%s n=%d", name, n)
				}
			}
		}
	}
}

// TestRounds: ceil(log2 n) rounds for an all_gather, n-1 for an exchange of all with all;
// and no rank sends more than everything but its own.
func TestRounds(t *testing.T) {
	for _, n := range sizes() {
		others, log := int64(n-1), ceilLog2(n)
		messages := min(others, 1)
		f, err := AllGather(n, 3)
		require.NoError(t, err)
		require.Equal(t, Figures{Hops: log, Steps: log, Sent: 3 * others, Messages: messages}, f, "n=%d", n)
		f, err = AllToAll(n, 3)
		require.NoError(t, err)
		require.Equal(t, Figures{Hops: others, Steps: int64(n), Sent: 3 * others, Messages: messages}, f, "n=%d", n)
	}
}

// TestUpTrees: what goes to the root crosses every link of the tree once.
func TestUpTrees(t *testing.T) {
	for _, n := range sizes() {
		others, log := int64(n-1), ceilLog2(n)
		for _, count := range []int64{0, small, 3*chunk + 1} {
			chunks := max(1, (count+chunk-1)/chunk) * min(others, 1)
			c := treeOf(tree.Binomial, n, count)
			c.Root = n / 3
			f, err := Reduce(c)
			require.NoError(t, err)
			require.LessOrEqual(t, f.Hops, log, "n=%d", n)
			require.Equal(t, Figures{Hops: f.Hops, Steps: chunks, Sent: count * min(others, 1), Total: others * count, Messages: chunks}, f, "n=%d", n)
			c.Algorithm = tree.Chain
			f, err = Reduce(c)
			require.NoError(t, err)
			require.Equal(t, Figures{Hops: others, Steps: chunks, Sent: count * min(others, 1), Total: others * count, Messages: chunks}, f, "n=%d", n)
		}
		f, err := Gather(n, 3)
		require.NoError(t, err)
		require.LessOrEqual(t, f.Hops, log, "n=%d", n)
		// The largest branch is the farther half.
		require.Equal(t, int64(3*(n/2)), f.Sent, "n=%d", n)
		if n&(n-1) == 0 {
			require.Equal(t, log, f.Hops, "n=%d", n)
			require.Equal(t, 3*int64(n)/2*log, f.Total, "n=%d", n)
		}
	}
}

func TestTableIsUpToDate(t *testing.T) {
	page, err := os.ReadFile("../../../docs/algorithms.md")
	require.NoError(t, err)
	text := strings.ReplaceAll(string(page), "\r\n", "\n")
	now, err := Insert(text)
	require.NoError(t, err)
	require.Equal(t, now, text, "run go generate ./engine/internal/simulate")
	_, err = Insert("no place")
	require.Error(t, err)
}
