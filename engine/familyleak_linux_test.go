package engine_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// TestFamiliesLeakNothing makes communicators of others in all ways, some of which
// fail, and compares what the process holds before and after.
func TestFamiliesLeakNothing(t *testing.T) {
	cycle := func(name string, newWorld func(testing.TB, int, engine.Config) world) {
		t.Run(name, func(t *testing.T) { // whose end closes the world
			w := newWorld(t, 3, engine.Config{})
			w.must(t, func(rank int, c *engine.Comm) error {
				child, err := c.Split(background, rank%2, 0)
				if err != nil {
					return err
				}
				return child.Close()
			})
			next, errs := grow(t, w, 1, 4, 3)
			for _, err := range errs {
				require.NoError(t, err)
			}
			next.must(t, func(_ int, c *engine.Comm) error { return c.Abort() })
			_, err := w[2].GrowID() // which nobody will use
			require.NoError(t, err)
			w.each(t, func(rank int, c *engine.Comm) error { // they disagree
				_, err := c.Shrink(background, [][]int{{1}, {0}, {}}[rank], engine.ShrinkDefault)
				require.Error(t, err)
				return nil
			})
			ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
			defer cancel()
			_, err = w[0].Shrink(ctx, []int{1}, engine.ShrinkDefault) // nobody else comes
			require.ErrorIs(t, err, context.DeadlineExceeded)
			w.must(t, func(rank int, c *engine.Comm) error {
				if rank == 1 {
					return c.Revoke()
				}
				child, err := c.Shrink(background, []int{1}, engine.ShrinkAbort)
				if err != nil {
					return err
				}
				return child.Finalize(background)
			})
			p := engine.StartInit(background, engine.Config{ID: mustID(t), Rank: 1, Size: 2})
			require.NoError(t, p.Abort())
		})
	}
	round := func() {
		for name, newWorld := range worlds {
			cycle(name, newWorld)
		}
	}
	for range 3 {
		round()
	}
	before := count(t)
	rounds := 10
	if raceDetector {
		rounds = 3
	}
	for range rounds {
		round()
	}
	after := count(t)
	for deadline := time.Now().Add(10 * time.Second); after.more(before) && time.Now().Before(deadline); after = count(t) {
		time.Sleep(20 * time.Millisecond)
		runtime.GC()
	}
	if after.more(before) {
		stacks := make([]byte, 1<<20)
		t.Fatalf("before %+v, after %+v\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
}

// mustID is an id whose root is closed again at the end of the test.
func mustID(t *testing.T) engine.UniqueID {
	c, err := engine.InitAll(background, 1, engine.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c[0].Close() })
	id, err := c[0].GrowID()
	require.NoError(t, err)
	return id
}
