package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

func reduceOne(ctx context.Context, c *engine.Comm) error {
	x := strided.Of([]float32{1})
	return c.AllReduce(ctx, x, x, engine.Sum)
}

// TestReusedContext: a context that several calls were made with aborts the one
// during which it ends, and none if it ends between calls.
func TestReusedContext(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2, engine.Config{})
			often := func(ctx context.Context) {
				w.must(t, func(_ int, c *engine.Comm) (err error) {
					for i := 0; i < 5 && err == nil; i++ {
						err = reduceOne(ctx, c)
					}
					return err
				})
			}
			first, endFirst := context.WithCancel(background)
			often(first)
			endFirst()
			require.ErrorIs(t, reduceOne(first, w[0]), context.Canceled)
			time.Sleep(10 * time.Millisecond) // what the end has set off has happened
			often(background)

			second, endSecond := context.WithCancel(background)
			defer endSecond()
			often(second)
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				if rank == 1 {
					time.Sleep(10 * time.Millisecond)
					endSecond()
					for c.Err() == nil { // until it has heard of it
						time.Sleep(time.Millisecond)
					}
					return reduceOne(background, c)
				}
				return reduceOne(second, c)
			})
			require.ErrorIs(t, errs[0], context.Canceled)
			require.ErrorIs(t, errs[0], engine.ErrAborted)
			require.ErrorIs(t, errs[1], engine.ErrAborted)
		})
	}
}

// TestTimeoutAfterIdling: the timeout holds for a call that follows others, at
// once or after a time in which nothing was called.
func TestTimeoutAfterIdling(t *testing.T) {
	const timeout = 40 * time.Millisecond
	for _, idle := range []time.Duration{0, timeout / 2, 3 * timeout} {
		t.Run(idle.String(), func(t *testing.T) {
			w := localWorld(t, 2, engine.Config{Timeout: timeout})
			for range 3 {
				w.must(t, func(_ int, c *engine.Comm) error { return reduceOne(background, c) })
			}
			time.Sleep(idle)
			start := time.Now()
			require.ErrorIs(t, reduceOne(background, w[0]), engine.ErrTimeout)
			require.GreaterOrEqual(t, time.Since(start), timeout)
		})
	}
}
