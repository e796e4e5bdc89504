package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestStartedInOrder starts many collectives at once, with blocking ones in
// between: they run in the order of the calls on every rank, or ranks would
// disagree, and each on the tensors that the one before has left.
func TestStartedInOrder(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				w := newWorld(t, size, engine.Config{ChunkBytes: smallChunk})
				w.must(t, func(rank int, c *engine.Comm) error {
					random := rand.New(rand.NewPCG(seed, 1)) // the same on all ranks
					p := layoutNamed("transpose").place(t, dtype.Int64, []int64{5, 9})
					p.fill(func(i int) scalar { return scalar{i: int64(i)} })
					want := func(i int) int64 { return int64(i) }
					var works []*engine.Work
					for n := range 60 {
						before, root := want, random.IntN(size)
						blocking, cast := random.IntN(4) == 0, random.IntN(3) == 0
						if cast {
							if blocking {
								if err := c.Broadcast(background, p.tensor, p.tensor, root); err != nil {
									return err
								}
								continue
							}
							work, err := c.StartBroadcast(background, p.tensor, p.tensor, root)
							if err != nil {
								return err
							}
							works = append(works, work)
							continue
						}
						op, next := engine.Sum, func(i int) int64 { return before(i) * int64(size) }
						if n%20 > 3 { // products of a few ranks overflow soon
							op, next = engine.Max, before
						}
						want = next
						if blocking {
							if err := c.AllReduce(background, p.tensor, p.tensor, op); err != nil {
								return err
							}
							continue
						}
						work, err := c.StartAllReduce(background, p.tensor, p.tensor, op)
						if err != nil {
							return err
						}
						works = append(works, work)
					}
					for _, w := range works {
						if err := w.Wait(background); err != nil {
							return err
						}
						<-w.Done()
						if w.Err() != nil {
							return w.Err()
						}
					}
					return p.check(func(i int) scalar { return scalar{i: want(i)} })
				})
			})
		}
	}
}

// TestStartDoesNotWait: neither for other ranks, nor for the call before.
func TestStartDoesNotWait(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	x := []float32{1, 2, 3}
	var works []*engine.Work
	for range 100 {
		work, err := w[0].StartAllReduce(background, strided.Of(x), strided.Of(x), engine.Max)
		require.NoError(t, err)
		works = append(works, work)
	}
	require.NoError(t, works[0].Err(), "in progress")
	ctx, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	require.ErrorIs(t, works[0].Wait(ctx), context.DeadlineExceeded)
	require.NoError(t, w[0].Err(), "the end of a wait is not that of the call")
	y := []float32{3, 2, 1}
	for range works {
		require.NoError(t, w[1].AllReduce(background, strided.Of(y), strided.Of(y), engine.Max))
	}
	for _, work := range works {
		require.NoError(t, work.Wait(background))
	}
	require.Equal(t, []float32{3, 2, 3}, x)
}

// TestBlockingCallsBehindStarted: a blocking call whose context ends while others
// are before it has not taken place.
func TestBlockingCallsBehindStarted(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	x, y := []float32{1}, []float32{5}
	first, err := w[0].StartAllReduce(background, strided.Of(x), strided.Of(x), engine.Sum)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(background, 5*time.Millisecond)
	defer cancel()
	err = w[0].AllReduce(ctx, strided.Of(y), strided.Of(y), engine.Sum)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "not started")
	var wg sync.WaitGroup
	wg.Go(func() {
		z := []float32{2}
		for range 2 {
			if err := w[1].AllReduce(background, strided.Of(z), strided.Of(z), engine.Sum); err != nil {
				t.Error(err)
			}
		}
	})
	require.NoError(t, w[0].AllReduce(background, strided.Of(y), strided.Of(y), engine.Sum))
	require.NoError(t, first.Wait(background))
	wg.Wait()
	require.Equal(t, []float32{3}, x)
	require.Equal(t, []float32{8}, y)
}

// TestStartRefused: bad arguments of a started call come back at once, whatever is
// before it, and reach the other ranks in its place.
func TestStartRefused(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	x := []float32{1, 2}
	first, err := w[0].StartAllReduce(background, strided.Of(x), strided.Of(x), engine.Sum)
	require.NoError(t, err)
	overlapping := strided.Of(x[:1]).Expand(2)
	var argument *engine.ArgumentError
	_, err = w[0].StartAllReduce(background, overlapping, overlapping, engine.Sum)
	require.ErrorAs(t, err, &argument)
	require.ErrorIs(t, err, engine.ErrOverlap)
	_, err = w[0].StartBroadcast(background, strided.Of(x), strided.Of(x), 7)
	require.ErrorAs(t, err, &argument)
	require.Equal(t, "root", argument.Argument)
	_, err = w[0].StartAllReduce(background, strided.Of(x), strided.Of(x), engine.Sum, engine.OnStream(cudaffi.Stream{}))
	require.ErrorAs(t, err, &argument)
	require.Equal(t, "stream", argument.Argument)
	last, err := w[0].StartAllReduce(background, strided.Of(x), strided.Of(x), engine.Sum)
	require.NoError(t, err)

	y := []float32{10, 20}
	own := strided.Of(y)
	require.NoError(t, w[1].AllReduce(background, own, own, engine.Sum))
	for range 3 {
		require.ErrorContains(t, w[1].AllReduce(background, own, own, engine.Sum), "rank 0 passed invalid arguments")
	}
	require.NoError(t, w[1].AllReduce(background, own, own, engine.Sum))
	require.NoError(t, first.Wait(background))
	require.NoError(t, last.Wait(background))
	require.Equal(t, []float32{22, 44}, x)
	require.Equal(t, x, y)
}

// TestRefusedBehindStarted: a blocking call with bad arguments waits for its turn to
// say so.
func TestRefusedBehindStarted(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	x := []float32{1}
	first, err := w[0].StartAllReduce(background, strided.Of(x), strided.Of(x), engine.Sum)
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		y := []float32{1}
		if err := w[1].AllReduce(background, strided.Of(y), strided.Of(y), engine.Sum); err != nil {
			t.Error(err)
		}
		if err := w[1].AllReduce(background, strided.Of(y), strided.Of(y), engine.Sum); !errors.Is(err, engine.ErrMismatch) {
			t.Error(err)
		}
	})
	require.ErrorIs(t, w[0].Broadcast(background, strided.Of(x), strided.Of(x), -1), engine.ErrInvalidArgument)
	require.NoError(t, first.Err())
	<-first.Done()
	wg.Wait()
}

// TestStartedContext: the end of its context aborts a started call, in progress or
// queued, on all ranks.
func TestStartedContext(t *testing.T) {
	for _, which := range []string{"in progress", "queued"} {
		t.Run(which, func(t *testing.T) {
			w := localWorld(t, 2, engine.Config{})
			ctx, cancel := context.WithCancel(background)
			var works [2]*engine.Work
			for i := range works {
				own := background
				if (i == 0) == (which == "in progress") {
					own = ctx
				}
				x := strided.Of(make([]float32, 4))
				var err error
				works[i], err = w[0].StartAllReduce(own, x, x, engine.Sum)
				require.NoError(t, err)
			}
			cancel()
			for _, work := range works {
				require.ErrorIs(t, work.Wait(background), engine.ErrAborted)
			}
			x := strided.Of(make([]float32, 4))
			// Rank 1 may have all that it needs, and finish, until it hears of the end.
			require.ErrorIs(t, heard(w[1], w[1].AllReduce(background, x, x, engine.Sum)), engine.ErrAborted)
			_, err := w[0].StartAllReduce(background, x, x, engine.Sum)
			require.ErrorIs(t, err, engine.ErrAborted, "nothing is started any more")
			_, err = w[0].StartAllReduce(ctx, x, x, engine.Sum)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

// TestContextAfterTheEnd: the end of a context after its call has ended is nobody's
// business.
func TestContextAfterTheEnd(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	ctx, cancel := context.WithCancel(background)
	w.must(t, func(_ int, c *engine.Comm) error {
		x := strided.Of([]float32{1})
		work, err := c.StartAllReduce(ctx, x, x, engine.Sum)
		if err != nil {
			return err
		}
		return work.Wait(background)
	})
	cancel()
	time.Sleep(5 * time.Millisecond)
	w.must(t, func(_ int, c *engine.Comm) error { return reduceOne(background, c) })
}

// TestCloseEndsStarted: Close ends what was started and has not come to its end.
func TestCloseEndsStarted(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2, engine.Config{})
			x := strided.Of(make([]float32, 4))
			var works []*engine.Work
			for range 3 {
				work, err := w[0].StartAllReduce(background, x, x, engine.Sum)
				require.NoError(t, err)
				works = append(works, work)
			}
			require.NoError(t, w[0].Close())
			for _, work := range works {
				select {
				case <-work.Done():
				default:
					t.Fatal("still in progress")
				}
				require.ErrorIs(t, work.Err(), engine.ErrClosed)
			}
			_, err := w[0].StartAllReduce(background, x, x, engine.Sum)
			require.ErrorIs(t, err, engine.ErrClosed)
		})
	}
}

// TestStartFromManyGoroutines has goroutines start and block at once, on what needs
// no order among the calls.
func TestStartFromManyGoroutines(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	w.must(t, func(_ int, c *engine.Comm) error {
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for g := range errs {
			wg.Go(func() {
				x := []float32{1}
				for i := range 50 {
					if (g+i)%3 == 0 {
						errs[g] = errors.Join(errs[g], c.AllReduce(background, strided.Of(x), strided.Of(x), engine.Max))
						continue
					}
					work, err := c.StartAllReduce(background, strided.Of(x), strided.Of(x), engine.Max)
					if err == nil {
						err = work.Wait(background)
					}
					errs[g] = errors.Join(errs[g], err)
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	})
}

// heard is err or, without one, the communicator's, for which it waits.
func heard(c *engine.Comm, err error) error {
	for end := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		err = c.Err()
	}
	return err
}
