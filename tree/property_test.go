package tree_test

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/tree"
)

var algorithms = []tree.Algorithm{tree.Binomial, tree.Chain, tree.Flat}

// seeded returns a generator whose seed is printed when the test fails, and is
// taken from MONEL_TEST_SEED when that is set.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("MONEL_TEST_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("replay with MONEL_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Every world size up to 64, every root, counts at and around the edges of
// chunks: each element arrives once at every rank, in order, through one slot
// per link, and each link carries each element once.
func TestEveryWorldSizeTo64(t *testing.T) {
	rng := seeded(t)
	for n := 1; n <= 64; n++ {
		for root := range n {
			chunk := 1 + rng.Int64N(20)
			counts := []int64{0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 3*chunk + 1}
			c := tree.Config{
				Size: n, Root: root, Count: counts[rng.IntN(len(counts))], Chunk: chunk,
				Align: 1 + rng.Int64N(8),
			}
			for _, c.Algorithm = range algorithms {
				require.NoError(t, newMachine(t, c, 1).run(nil), "%+v", c)
			}
		}
	}
}

func TestLargeWorlds(t *testing.T) {
	for _, n := range []int{65, 100, 127, 128, 255, 1000, 1024, 4095, 4096} {
		for _, root := range []int{0, 1, n / 2, n - 1} {
			c := tree.Config{Size: n, Root: root, Count: 37, Chunk: 8, Align: 1}
			for _, c.Algorithm = range algorithms {
				require.NoError(t, newMachine(t, c, 1+root%3).run(nil), "%+v", c)
			}
		}
	}
}

// Random schedules, from one elementary action at a time to long bursts.
func TestRandomInterleavings(t *testing.T) {
	rng := seeded(t)
	for range 400 {
		n := 1 + rng.IntN(24)
		c := tree.Config{
			Size: n, Root: rng.IntN(n), Count: rng.Int64N(60), Chunk: 1 + rng.Int64N(9),
			Align: 1 + rng.Int64N(3), Algorithm: algorithms[rng.IntN(2)],
		}
		burst := 1 + rng.IntN(12)
		m := newMachine(t, c, 1+rng.IntN(3))
		require.NoError(t, m.run(func(n int) (int, int) {
			return rng.IntN(n), 1 + rng.IntN(burst)
		}), "%+v", c)
	}
}

// shape is what a whole tree looks like from above.
type shape struct {
	depth  int // hops from the root to the farthest rank
	rounds int // until all have a chunk, when a rank sends one message per round
	fanout int // most children of one rank
}

// measure walks the tree from its root and checks that it spans all ranks.
func measure(t *testing.T, c tree.Config) shape {
	t.Helper()
	var s shape
	reached := 0
	var visit func(rank, parent, depth, round int) (lo, hi int)
	visit = func(rank, parent, depth, round int) (lo, hi int) {
		c.Rank = rank
		plan, err := tree.Broadcast(c)
		require.NoError(t, err)
		require.Equal(t, parent, plan.Parent(), "%+v", c)
		reached++
		s.depth = max(s.depth, depth)
		s.rounds = max(s.rounds, round)
		s.fanout = max(s.fanout, len(plan.Children()))
		// A subtree is a consecutive run of positions, counted from the root, and
		// each child's is at least as large as the next child's.
		lo = (rank - c.Root + c.Size) % c.Size
		hi = lo + 1
		last := 0
		for i := len(plan.Children()) - 1; i >= 0; i-- {
			childLo, childHi := visit(plan.Children()[i], rank, depth+1, round+i+1)
			require.Equal(t, hi, childLo, "%+v: child %d of %d", c, i, rank)
			require.GreaterOrEqual(t, childHi-childLo, last)
			hi, last = childHi, childHi-childLo
		}
		return lo, hi
	}
	visit(c.Root, -1, 0, 0)
	require.Equal(t, c.Size, reached, "%+v", c)
	return s
}

func TestShapes(t *testing.T) {
	for n := 1; n <= 300; n++ {
		c := tree.Config{Size: n, Root: n / 3, Count: 1, Chunk: 1, Align: 1}
		log := bits.Len(uint(n - 1)) // ceil(log2 n)

		c.Algorithm = tree.Binomial
		got := measure(t, c)
		require.Equal(t, log, got.rounds, "size %d", n)
		require.Equal(t, log, got.fanout, "size %d", n)
		require.LessOrEqual(t, got.depth, log, "size %d", n)

		c.Algorithm = tree.Chain
		require.Equal(t, shape{depth: n - 1, rounds: n - 1, fanout: min(1, n-1)}, measure(t, c))
	}
}

// The choice is the cheaper shape by the documented model, and binomial when
// they cost the same.
func TestChooseFollowsTheModel(t *testing.T) {
	rng := seeded(t)
	chosen := map[tree.Algorithm]int{}
	for range 20000 {
		n := 1 + rng.Int64N(1<<rng.IntN(20))
		chunk := rng.Int64N(1 << rng.IntN(28))
		bytes := rng.Int64N(1 << rng.IntN(40))
		const h = 32 << 10
		k := int64(bits.Len64(uint64(n - 1)))
		c := min(chunk, bytes)
		binomial := k * (h + bytes)
		chain := (n-1)*(h+c) + bytes - c

		want := tree.Binomial
		if chain < binomial {
			want = tree.Chain
		}
		require.Equal(t, want, tree.Choose(bytes, chunk, int(n)), "%d bytes, chunk %d, size %d", bytes, chunk, n)
		chosen[want]++
	}
	require.Greater(t, min(chosen[tree.Binomial], chosen[tree.Chain]), 1000, "both sides of the bound are tried")
}

// The largest numbers do not overflow.
func TestChooseAtTheLimits(t *testing.T) {
	const huge = math.MaxInt64
	for _, tc := range []struct {
		bytes, chunk int64
		size         int
		want         tree.Algorithm
	}{
		{huge, huge, 3, tree.Binomial},
		{huge, huge - 1, 1 << 29, tree.Binomial}, // one link's worth of fill exceeds all
		{huge, 1, 1 << 29, tree.Chain},
		{huge, 1 << 40, 4, tree.Chain},
		{huge, 0, 2, tree.Binomial}, // the same tree as the chain
		{0, 0, 1, tree.Binomial},
	} {
		require.Equal(t, tc.want, tree.Choose(tc.bytes, tc.chunk, tc.size), "%+v", tc)
	}
}

// TestLimit: Choose changes its mind there, and nowhere else.
func TestLimit(t *testing.T) {
	_, ok := tree.Limit(256<<10, 2)
	require.False(t, ok)
	for size := 3; size < 70; size++ {
		limit, ok := tree.Limit(256<<10, size)
		require.True(t, ok)
		require.Equal(t, tree.Binomial, tree.Choose(limit, 256<<10, size))
		require.Equal(t, tree.Chain, tree.Choose(limit+1, 256<<10, size))
	}
}
