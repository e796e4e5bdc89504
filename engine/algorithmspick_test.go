package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/tree"
)

// TestAskedAlgorithmsAreTaken, where they can do it, and otherwise what can; without being
// asked, the choice is by size.
func TestAskedAlgorithmsAreTaken(t *testing.T) {
	const size = 4
	small, large := strided.Of(make([]float32, 4)), strided.Of(make([]float32, 1<<20))
	for _, c := range []struct {
		asked        Algorithms
		small, large choose.Blocks
		first, last  tree.Algorithm // of a tree for the small one and the large one
		flat         bool           // the small one goes from the root to everybody
	}{
		{Algorithms{}, choose.Spread, choose.RingOfBlocks, tree.Binomial, tree.Chain, true},
		{Algorithms{"tree", "tree", "ring", "ring"}, choose.RingOfBlocks, choose.RingOfBlocks, tree.Binomial, tree.Binomial, false},
		{Algorithms{"chain", "chain", "bruck", "bruck"}, choose.Bruck, choose.RingOfBlocks, tree.Chain, tree.Chain, false},
	} {
		comms, err := NewLocal(size, Config{Algorithms: c.asked})
		require.NoError(t, err)
		root := comms[0]
		require.Equal(t, []choose.Blocks{c.small, c.large}, []choose.Blocks{root.allGatherBy(small), root.allGatherBy(large)})
		require.Equal(t, []choose.Blocks{c.small, c.large}, []choose.Blocks{root.reduceScatterBy(small), root.reduceScatterBy(large)})
		reduce := func(x strided.Tensor) tree.Algorithm {
			return root.treeConfig(x, 0, root.cfg.Algorithms.Reduce).Algorithm
		}
		require.Equal(t, []tree.Algorithm{c.first, c.last}, []tree.Algorithm{reduce(small), reduce(large)})
		for x, want := range map[*strided.Tensor]tree.Algorithm{&small: c.first, &large: c.last} {
			plan, err := root.treePlan(*x, 0)
			require.NoError(t, err)
			children := map[tree.Algorithm]int{tree.Binomial: 2, tree.Chain: 1}[want]
			if c.flat && x == &small {
				children = size - 1
			}
			require.Len(t, plan.Children(), children, "%+v", c.asked)
		}
		for _, comm := range comms {
			require.NoError(t, comm.Abort())
		}
	}
}
