package strided

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoAllocations: a repeated collective on a layout plans once; after that,
// neither making the view nor moving elements allocates.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool drop what it is given, at random")
	}
	base := iota32(64, 3, 64)
	for name, x := range map[string]Tensor{
		"contiguous": base,
		"transposed": base.Permute(2, 0, 1),
		"runs":       base.Slice(2, 0, 60),
		"short runs": base.Slice(2, 0, 4),
		"scattered":  base.Step(2, 2).Reverse(0).Permute(2, 1, 0),
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, x.Err())
			slot := make([]byte, x.Layout().Bytes())
			allocs := testing.AllocsPerRun(100, func() {
				for _, w := range [...]Walk{Logical, x.Layout().MemoryWalk()} {
					v, err := x.View(w)
					if err != nil {
						t.Error(err)
						return
					}
					lo, hi := int64(5), v.Count()-7
					v.Pack(slot, lo, hi)
					v.ReduceInto(slot, slot, lo, hi, Max)
					v.ReduceOut(v, slot, slot, lo, hi, Max, 3)
					v.Unpack(slot, lo, hi)
				}
				if Conflict(x, x) != nil || x.Layout().CheckOutput() != nil {
					t.Error("conflict")
				}
			})
			require.Zero(t, allocs)
			z := iota32(x.Shape()...)
			require.Zero(t, testing.AllocsPerRun(100, func() {
				if err := Copy(z, x); err != nil {
					t.Error(err)
				}
			}))
		})
	}
}

// TestPlanCache: plans of equal layouts are shared, whatever the memory and
// offset, and the cache stays correct when many layouts compete for it.
func TestPlanCache(t *testing.T) {
	x := iota32(16, 32)
	a, err := x.Slice(0, 0, 4).View(Logical)
	require.NoError(t, err)
	b, err := x.Slice(0, 4, 8).View(Logical)
	require.NoError(t, err)
	require.Same(t, a.plan, b.plan)
	c, err := x.Slice(0, 4, 8).Permute(1, 0).View(Logical)
	require.NoError(t, err)
	require.NotSame(t, a.plan, c.plan)

	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range int64(4 * len(plans)) {
				n := 1 + (i*7+int64(g))%1000
				y := x.AsStrided([]int64{n, 1 + i%13}, []int64{0, 1 + i%5}, 0)
				v, err := y.View(Logical)
				if err != nil || v.Count() != y.Count() || v.plan.shape[0] != n || v.plan.strides[1] != 1+i%5 {
					t.Errorf("wrong plan for %v: %v", y, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
