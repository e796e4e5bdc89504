package engine_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// TestFamiliesLeakNothing makes communicators of others in all ways, some of which
// fail, and compares what the process holds before and after.
func TestFamiliesLeakNothing(t *testing.T) {
	cycle := func(name string, newWorld func(testing.TB, int, engine.Config) world, starts bool) {
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
			if starts {
				startAndEnd(t, w)
			}
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
	round := func(starts bool) {
		for name, newWorld := range worlds {
			cycle(name, newWorld, starts)
		}
	}
	for i := range 3 {
		round(i == 0)
	}
	before := count(t)
	rounds := 10
	if raceDetector {
		rounds = 3
	}
	for i := range rounds {
		round(i < 3) // which takes a second
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

// startAndEnd starts communicators and has some given up: while a rank has not come, by one
// rank when all have met, and all of them by the end of what they are made of.
func startAndEnd(t *testing.T, w world) {
	parents := make(world, len(w))
	w.must(t, func(rank int, c *engine.Comm) (err error) {
		parents[rank], err = c.Split(background, 0, 0)
		return err
	})
	keep(t, parents)
	id, err := parents[0].GrowID()
	require.NoError(t, err)
	var met sync.WaitGroup
	met.Add(len(parents))
	parents.must(t, func(rank int, c *engine.Comm) error {
		var pending []*engine.PendingComm
		expect := func(p *engine.PendingComm, err error) {
			require.NoError(t, err)
			pending = append(pending, p)
		}
		expect(c.StartSplit(background, rank%2, 0))
		expect(c.StartSplit(background, 0, 0))
		own := engine.UniqueID{}
		if rank == 0 {
			own = id
		}
		expect(c.StartGrow(background, 4, own)) // whose new rank does not come
		if rank != 2 {
			expect(c.StartShrink(background, []int{2}, engine.ShrinkDefault))
		}
		if err := c.Barrier(background); err != nil { // they have met, but for the shrink
			return err
		}
		met.Done() // nobody ends anything before
		met.Wait()
		if rank == 1 {
			if err := pending[1].Abort(); err != nil {
				return err
			}
			if p, err := c.StartSplit(background, 0, 0); err == nil { // alone, and others may have aborted it
				pending = append(pending, p)
			}
		}
		if rank == 0 {
			if err := pending[3].Abort(); err != nil {
				return err
			}
		}
		_, _ = pending[0].Wait(background) // the first of the others may be about to end it
		if err := c.Abort(); err != nil {
			return err
		}
		for _, p := range pending {
			select {
			case <-p.Done():
			default:
				t.Error("Abort has not waited for what is made of it")
			}
			if next, err := p.Poll(); err == nil {
				_ = next.Abort()
			}
		}
		return nil
	})
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
