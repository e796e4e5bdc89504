package ring_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/ring"
)

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

// loopsOf recomputes how many loops a plan has, straight from the definition.
func loopsOf(c ring.Config) int64 {
	chunk := c.Chunk
	if c.Align <= chunk {
		chunk = chunk / c.Align * c.Align
	}
	loops := int64(1)
	for loops*chunk*int64(c.Size) < c.Count {
		loops++
	}
	return loops
}

// checkTraffic compares what every link carried with the theory.
func checkTraffic(t *testing.T, m *machine) {
	t.Helper()
	c := m.config
	n := int64(c.Size)
	owned := make([]int64, n) // by each rank, over all loops
	for r := range owned {
		c.Rank = r
		plan, err := ring.AllReduce(c)
		require.NoError(t, err)
		for s := range plan.Steps() {
			if s.Action == ring.RecvReduceCopySend {
				owned[r] += s.Hi - s.Lo
			}
		}
	}
	align := c.Align
	if align > c.Chunk {
		align = 1
	}
	var total int64
	for r := range m.nodes {
		got := m.nodes[r]
		require.Equal(t, loopsOf(c)*(2*n-2), got.msgs, "%+v: messages sent by rank %d", c, r)
		// On the way to its owner a chunk crosses every link but the owner's own
		// outgoing one; on the way back out, every link but the one that leads
		// to the owner.
		require.Equal(t, 2*c.Count-owned[r]-owned[(r+1)%c.Size], got.sent, "%+v: elements sent by rank %d", c, r)
		require.LessOrEqual(t, abs(n*got.sent-2*(n-1)*c.Count), 3*n*align, "%+v: share of rank %d", c, r)
		total += got.sent
	}
	require.Equal(t, 2*(n-1)*c.Count, total, "%+v: elements sent by all", c)
}

func abs(x int64) int64 { return max(x, -x) }

// Every world size up to 64, with counts at and around the edges of chunks and
// loops: each element is taken once from every rank, delivered once to every
// rank, and each link carries what the theory says, through no more slots than
// the depth.
func TestEveryWorldSizeTo64(t *testing.T) {
	rng := seeded(t)
	for n := 2; n <= 64; n++ {
		chunk := 1 + rng.Int64N(40)
		loop := int64(n) * chunk
		counts := []int64{
			0, 1, int64(n) - 1, int64(n), int64(n) + 1,
			chunk - 1, chunk, chunk + 1, loop - 1, loop, loop + 1,
			2*loop + rng.Int64N(loop), 4*loop + 1 + rng.Int64N(loop),
		}
		for _, count := range counts {
			c := ring.Config{
				Size: n, Count: count, Chunk: chunk,
				Align: []int64{1, 2, 4, 16, 64}[rng.IntN(5)],
				Depth: 2 + rng.IntN(6),
			}
			m := newMachine(t, c, c.Depth)
			require.NoError(t, m.run(nil), "%+v", c)
			checkTraffic(t, m)
		}
	}
}

func TestLargeWorlds(t *testing.T) {
	for _, c := range []ring.Config{
		{Size: 65, Count: 6*65*8 + 3, Chunk: 8, Align: 4, Depth: 4},
		{Size: 100, Count: 99, Chunk: 16, Align: 1, Depth: 2},
		{Size: 127, Count: 3 * 127 * 16, Chunk: 16, Align: 16, Depth: 8},
		{Size: 256, Count: 2*256*4 + 5, Chunk: 4, Align: 1, Depth: 3},
		{Size: 511, Count: 0, Chunk: 1, Align: 1, Depth: 2},
		{Size: 1000, Count: 1000*3 + 1, Chunk: 3, Align: 1, Depth: 4},
		{Size: 1024, Count: 2 * 1024, Chunk: 1, Align: 1, Depth: 2},
		{Size: 4096, Count: 4096 + 77, Chunk: 2, Align: 1, Depth: 2},
	} {
		t.Run(fmt.Sprint(c.Size), func(t *testing.T) {
			m := newMachine(t, c, c.Depth)
			require.NoError(t, m.run(nil))
			if c.Size <= 1024 { // at 4096 the plans were walked once, which is enough
				checkTraffic(t, m)
			}
		})
	}
}

// The number of slots that a plan needs is the one the documentation of the
// pipeline derives: with so many it completes, with one less it does not. Since
// the outcome does not depend on the schedule, one run decides each.
func TestSlotsNeededExactly(t *testing.T) {
	for n := 2; n <= 64; n++ {
		if n > 24 && n%8 > 1 && n%8 < 7 {
			continue // every size to 24, then those around multiples of 8
		}
		hops := 2*n - 3
		for _, depth := range []int{2, 3, 4, 5, 8, n, hops, hops + 1, hops + 2, math.MaxInt} {
			if depth < 2 {
				continue
			}
			for _, loops := range []int{1, 2, 3, 6} {
				c := ring.Config{Size: n, Count: int64(n * loops), Chunk: 1, Align: 1, Depth: depth}
				stride := ceilDiv(hops, depth-1)
				need := 1 + min(loops, ceilDiv(hops, stride))
				require.LessOrEqual(t, need, depth, "%+v", c)
				require.NoError(t, newMachine(t, c, need).run(nil), "%+v with %d slots", c, need)
				require.ErrorIs(t, newMachine(t, c, need-1).run(nil), errStuck, "%+v with %d slots", c, need-1)
			}
		}
	}
}

func ceilDiv(a, b int) int { return (a-1)/b + 1 }

// Random schedules, from one elementary action at a time to long bursts.
func TestRandomInterleavings(t *testing.T) {
	rng := seeded(t)
	for range 400 {
		n := 2 + rng.IntN(15)
		c := ring.Config{
			Size: n, Chunk: 1 + rng.Int64N(5), Align: 1 + rng.Int64N(3),
			Depth: 2 + rng.IntN(2*n),
		}
		c.Count = rng.Int64N(5 * int64(n) * c.Chunk)
		burst := 1 + rng.IntN(12)
		m := newMachine(t, c, c.Depth+rng.IntN(2))
		require.NoError(t, m.run(func(n int) (int, int) {
			return rng.IntN(n), 1 + rng.IntN(burst)
		}), "%+v", c)
		checkTraffic(t, m)
	}
}

// Chunks of full loops are exactly Chunk elements; those of the last loop differ
// by less than two units of alignment; all start on a multiple of it.
func TestChunksAreAlignedAndBalanced(t *testing.T) {
	rng := seeded(t)
	for range 2000 {
		n := 2 + rng.IntN(20)
		align := 1 + rng.Int64N(16)
		c := ring.Config{Size: n, Chunk: align * (1 + rng.Int64N(8)), Align: align, Depth: 2}
		c.Count = rng.Int64N(4 * int64(n) * c.Chunk)
		plan, err := ring.AllReduce(c)
		require.NoError(t, err)

		perLoop := int64(n) * c.Chunk
		lastLoop := (loopsOf(c) - 1) * perLoop
		least, most := c.Chunk, int64(0)
		for s := range plan.Steps() {
			require.True(t, s.Lo%align == 0 || s.Lo == c.Count, "%+v: %+v", c, s)
			if s.Lo < lastLoop {
				require.Equal(t, c.Chunk, s.Hi-s.Lo, "%+v: %+v", c, s)
			} else {
				least, most = min(least, s.Hi-s.Lo), max(most, s.Hi-s.Lo)
			}
		}
		require.Less(t, most-least, 2*align, "%+v", c)
	}
}
