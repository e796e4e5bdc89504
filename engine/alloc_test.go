package engine_test

import (
	"context"
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
