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
		for one, want := range map[*strided.Tensor]choose.Blocks{&small: c.small, &large: c.large} {
			all := strided.Of(make([]float32, size*one.Count()))
			gather, _, err := root.prepareAllGather(&all, one)
			require.NoError(t, err)
			scatter, _, err := root.prepareReduceScatter(one, &all, Sum)
			require.NoError(t, err)
			require.Equal(t, []choose.Blocks{want, want}, []choose.Blocks{gather.how, scatter.how}, "%+v", c.asked)
		}
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
