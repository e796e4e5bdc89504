package engine_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided/dtype"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// TestAskedAlgorithms: every collective gives the same with every algorithm that can be
// asked for, in one chunk and in many, wherever the ranks and their elements are.
func TestAskedAlgorithms(t *testing.T) {
	for _, a := range []engine.Algorithms{
		{Broadcast: "tree", Reduce: "tree", AllGather: "ring", ReduceScatter: "ring"},
		{Broadcast: "chain", Reduce: "chain", AllGather: "bruck", ReduceScatter: "bruck"},
	} {
		for _, size := range []int{1, 2, 3, 5} {
			for name, newWorld := range worlds {
				if name != "inproc" && (size != 3 || name == "rdma") {
					continue // it is the same engine
				}
				t.Run(fmt.Sprintf("%s/np=%d/%s", name, size, a.AllGather), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, size, engine.Config{ChunkBytes: smallChunk, Algorithms: a})
					for _, of := range faultyCollectives() {
						for _, elements := range []int64{5, 40, 1500} {
							for root := range min(size, 2) {
								k := &collectiveCase{of: &of, dt: dtype.Float32, op: engine.Sum, block: []int64{elements / 5, 5}, big: "stacked",
									in: []string{"contiguous", "transpose"}, out: []string{"column"}, root: root, inPlace: root == 1}
								k.run(t, w)
							}
						}
					}
				})
			}
		}
	}
}

// TestDifferentAlgorithms: ranks that have been asked for different ones do not come
// together, and what does not exist is refused.
func TestDifferentAlgorithms(t *testing.T) {
	id, err := engine.NewLocalUniqueID()
	require.NoError(t, err)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for rank := range errs {
		wg.Go(func() {
			cfg := engine.Config{ID: id, Rank: rank, Size: 2}
			if rank == 1 {
				cfg.Algorithms.AllGather = "bruck"
			}
			_, errs[rank] = engine.Init(background, cfg)
		})
	}
	wg.Wait()
	for _, err := range errs {
		var world *bootstrap.WorldError
		require.ErrorAs(t, err, &world)
		require.Equal(t, bootstrap.ConfigMismatch, world.Reason)
		require.ErrorContains(t, err, "all_gather by bruck")
	}
	_, err = engine.Init(background, engine.Config{Size: 1, Algorithms: engine.Algorithms{Reduce: "bruck"}})
	var argument *engine.ArgumentError
	require.ErrorAs(t, err, &argument)
	require.Equal(t, "Algorithms.Reduce", argument.Argument)
}
