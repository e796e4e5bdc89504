package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// TestShortCallsAllocateNothing: neither does an all_reduce of few bytes in the
// steady state, whatever the layout, nor one with a context that can end, if it is
// always the same.
func TestShortCallsAllocateNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	w := localWorld(t, 2, engine.Config{})
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	for name, of := range map[string]func() strided.Tensor{
		"contiguous": func() strided.Tensor { return strided.Of(make([]float32, 2)) },
		"column":     func() strided.Tensor { return strided.Of(make([]float32, 64)).Reshape(16, 4).Slice(1, 1, 2) },
	} {
		for kind, ctx := range map[string]context.Context{"background": background, "cancellable": ctx} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				const calls = 100
				w.must(t, func(rank int, c *engine.Comm) error {
					x := of()
					call := func() {
						if err := c.AllReduce(ctx, x, x, engine.Max); err != nil {
							t.Errorf("rank %d: %v", rank, err)
						}
					}
					if rank == 1 {
						for range calls + 1 { // AllocsPerRun makes one more, too
							call()
						}
						return nil
					}
					require.Zero(t, testing.AllocsPerRun(calls, call))
					return nil
				})
			})
		}
	}
}

// TestShortBlocksAllocateNothing: nor do the collectives with blocks, a broadcast or an
// alltoall, out of place or in.
func TestShortBlocksAllocateNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for _, size := range []int{2, 3} {
		w := localWorld(t, size, engine.Config{})
		for name, of := range map[string]func(rank int, c *engine.Comm, all, one, other strided.Tensor) func() error{
			"broadcast": func(_ int, c *engine.Comm, all, _, _ strided.Tensor) func() error {
				return func() error { return c.Broadcast(background, all, all, 1) }
			},
			"all_gather": func(rank int, c *engine.Comm, all, one, _ strided.Tensor) func() error {
				return func() error { return c.AllGather(background, all, one) }
			},
			"all_gather in place": func(rank int, c *engine.Comm, all, _, _ strided.Tensor) func() error {
				own := all.Slice(0, int64(rank)*4, int64(rank+1)*4)
				return func() error { return c.AllGather(background, all, own) }
			},
			"all_gather_v": func(rank int, c *engine.Comm, all, _, other strided.Tensor) func() error {
				counts := slices.Repeat([]int64{4}, c.Size())
				counts[0], counts[1] = 1, 7
				own := other.Slice(0, 0, counts[rank])
				return func() error { return c.AllGatherV(background, all, own, counts) }
			},
			"reduce_scatter": func(_ int, c *engine.Comm, all, one, _ strided.Tensor) func() error {
				return func() error { return c.ReduceScatter(background, one, all, engine.Max) }
			},
			"reduce_scatter in place": func(rank int, c *engine.Comm, all, _, _ strided.Tensor) func() error {
				own := all.Slice(0, int64(rank)*4, int64(rank+1)*4)
				return func() error { return c.ReduceScatter(background, own, all, engine.Max) }
			},
			"alltoall": func(_ int, c *engine.Comm, all, _, other strided.Tensor) func() error {
				return func() error { return c.AllToAll(background, other, all) }
			},
			"alltoall in place": func(_ int, c *engine.Comm, all, _, _ strided.Tensor) func() error {
				return func() error { return c.AllToAll(background, all, all) }
			},
		} {
			t.Run(fmt.Sprint(name, " of ", size), func(t *testing.T) {
				const calls = 100
				w.must(t, func(rank int, c *engine.Comm) error {
					n := int64(4)
					call := of(rank, c, strided.Of(make([]float32, n*int64(size))), strided.Of(make([]float32, n)), strided.Of(make([]float32, n*int64(size))))
					all := func() {
						if err := call(); err != nil {
							t.Errorf("rank %d: %v", rank, err)
						}
					}
					if rank > 0 {
						for range calls + 1 { // AllocsPerRun makes one more, too
							all()
						}
						return nil
					}
					require.Zero(t, testing.AllocsPerRun(calls, all))
					return nil
				})
			})
		}
	}
}
