package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// grow has the ranks of w and new ones make a communicator of size ranks, with the id
// made and passed on rank root, and returns it and the ranks' errors.
func grow(t *testing.T, w world, root, size int, newcomers ...int) (world, []error) {
	t.Helper()
	return growBy(t, w, root, size, func(rank int) bool { return rank == root }, newcomers...)
}

// growBy is grow where the id is passed on some ranks.
func growBy(t *testing.T, w world, root, size int, passes func(rank int) bool, newcomers ...int) (world, []error) {
	t.Helper()
	id, err := w[root].GrowID()
	require.NoError(t, err)
	again, err := w[root].GrowID()
	require.NoError(t, err)
	require.Equal(t, id, again)
	next, errs := make([]*engine.Comm, size), make([]error, size)
	var wg sync.WaitGroup
	for rank, c := range w {
		wg.Go(func() {
			mine := engine.UniqueID{}
			if passes(rank) {
				mine = id
			}
			next[rank], errs[rank] = c.Grow(background, size, mine)
		})
	}
	transport := w[0].Transport()
	if transport == "inproc" || transport == "none" {
		transport = "auto" // what ranks of one process agree on without being asked
	}
	for _, rank := range newcomers {
		wg.Go(func() {
			next[rank], errs[rank] = engine.Init(background, engine.Config{ID: id, Rank: rank, Size: size, Transport: transport})
		})
	}
	wg.Wait()
	return next, errs
}

func TestGrow(t *testing.T) {
	for name, newWorld := range worlds {
		for _, k := range []struct{ from, to, root int }{{1, 2, 0}, {2, 3, 0}, {2, 5, 1}, {4, 5, 3}} {
			if k.from == 1 && name != "inproc" {
				continue // one rank has no transport to hand on
			}
			t.Run(fmt.Sprintf("%s/%d to %d", name, k.from, k.to), func(t *testing.T) {
				w := newWorld(t, k.from, engine.Config{})
				next, errs := grow(t, w, k.root, k.to, ranksTo(k.to)[k.from:]...)
				require.NoError(t, errors.Join(errs...))
				keep(t, next)
				next.must(t, func(rank int, c *engine.Comm) error {
					if c.Rank() != rank || c.Size() != k.to {
						return fmt.Errorf("it is rank %d of %d", c.Rank(), c.Size())
					}
					return sum(c, rank, ranksTo(k.to))
				})
				w.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(k.from)) })

				// An id serves once; the next one is another.
				id, err := w[k.root].GrowID()
				require.NoError(t, err)
				again, errs := grow(t, w, k.root, k.to, ranksTo(k.to)[k.from:]...)
				require.NoError(t, errors.Join(errs...))
				keep(t, again)
				other, err := w[k.root].GrowID()
				require.NoError(t, err)
				require.NotEqual(t, id, other)
				require.NoError(t, w[k.root].Abort())
				_, err = w[k.root].GrowID()
				require.ErrorIs(t, err, engine.ErrClosed)
			})
		}
	}
}

// TestGrowIDs: all ranks may pass the id, or none, as programs for NCCL do. One that is
// passed counts more than one that was made and not passed, and the latter still serves
// then.
func TestGrowIDs(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3, engine.Config{})
			for _, passed := range []bool{false, true} {
				next, errs := growBy(t, w, 1, 4, func(int) bool { return passed }, 3)
				require.NoError(t, errors.Join(errs...))
				keep(t, next)
				next.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(4)) })
			}
			left, err := w[0].GrowID()
			require.NoError(t, err)
			next, errs := grow(t, w, 2, 4, 3)
			require.NoError(t, errors.Join(errs...))
			keep(t, next)
			again, err := w[0].GrowID()
			require.NoError(t, err)
			require.Equal(t, left, again)
		})
	}
}

func TestGrowArguments(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2, engine.Config{})
			for _, k := range []struct {
				made int // ids
				what string
			}{{0, "no rank has passed one"}, {2, "ranks 0-1 have passed different ones"}} {
				ids := make([]engine.UniqueID, 2)
				for rank := range k.made {
					var err error
					ids[rank], err = w[rank].GrowID()
					require.NoError(t, err)
				}
				for _, err := range w.each(t, func(rank int, c *engine.Comm) error {
					_, err := c.Grow(background, 3, ids[rank])
					return err
				}) {
					var argument *engine.ArgumentError
					require.ErrorAs(t, err, &argument)
					require.Equal(t, "id", argument.Argument)
					require.ErrorContains(t, err, k.what)
				}
			}
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				_, err := c.Grow(background, 2+rank, engine.UniqueID{})
				return err
			})
			require.ErrorIs(t, errs[0], engine.ErrInvalidArgument)
			require.ErrorIs(t, errs[1], engine.ErrMismatch)
			for _, err := range w.each(t, func(rank int, c *engine.Comm) error {
				_, err := c.Grow(background, 3+rank, engine.UniqueID{})
				return err
			}) {
				require.ErrorIs(t, err, engine.ErrMismatch)
				require.ErrorContains(t, err, "called grow to 4 ranks")
			}
			// Ranks that cannot come together use an id up, too.
			used, err := w[0].GrowID()
			require.NoError(t, err)
			var wg sync.WaitGroup
			for rank := range 2 {
				wg.Go(func() {
					_, err := engine.Init(background, engine.Config{ID: used, Rank: 2 + rank, Size: 4 + rank})
					var world *bootstrap.WorldError
					if assert.ErrorAs(t, err, &world) {
						assert.Equal(t, bootstrap.SizeMismatch, world.Reason)
					}
				})
			}
			wg.Wait()
			fresh, err := w[0].GrowID()
			require.NoError(t, err)
			require.NotEqual(t, used, fresh)

			// Nobody comes.
			engine.SetInitTimeout(time.Second, w...) // less may be too short for a busy machine
			_, errs = grow(t, w, 0, 4)
			for _, err := range errs[:2] {
				var world *bootstrap.WorldError
				require.ErrorAs(t, err, &world)
				require.Equal(t, []int{2, 3}, world.Ranks)
				require.ErrorIs(t, err, engine.ErrTimeout)
			}
			w.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(2)) })
		})
	}
}

func TestStartInit(t *testing.T) {
	id, err := engine.NewLocalUniqueID()
	require.NoError(t, err)
	first := engine.StartInit(background, engine.Config{ID: id, Rank: 0, Size: 2})
	_, err = first.Poll()
	require.ErrorIs(t, err, engine.ErrInProgress)
	require.Equal(t, engine.InProgress, engine.ResultOf(err))
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err = first.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
	second := engine.StartInit(background, engine.Config{ID: id, Rank: 1, Size: 2})
	w := make(world, 2)
	for rank, p := range []*engine.PendingComm{first, second} {
		<-p.Done()
		c, err := p.Wait(background)
		require.NoError(t, err)
		again, err := p.Poll()
		require.NoError(t, err)
		require.Same(t, c, again)
		w[rank] = c
	}
	keep(t, w)
	w.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(2)) })
	require.NoError(t, second.Abort())
	require.Equal(t, engine.Closed, w[1].State())
}

// TestStartInitAbort: who gives up leaves, and the others hear of it soon, whoever else
// has not come.
func TestStartInitAbort(t *testing.T) {
	id, err := engine.NewLocalUniqueID()
	require.NoError(t, err)
	var pending []*engine.PendingComm
	for rank := range 2 {
		pending = append(pending, engine.StartInit(background, engine.Config{ID: id, Rank: rank, Size: 3}))
	}
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, pending[1].Abort())
	_, err = pending[1].Poll()
	var re *engine.RankError
	require.ErrorAs(t, err, &re)
	require.ErrorIs(t, err, engine.ErrAborted)
	require.Equal(t, 1, re.Rank)
	_, err = pending[0].Wait(background)
	var world *bootstrap.WorldError
	require.ErrorAs(t, err, &world)
	require.Equal(t, []int{1}, world.Ranks)
	require.Equal(t, bootstrap.LostRank, world.Reason)
	require.ErrorIs(t, err, engine.ErrPeerLost)

	ctx, cancel := context.WithCancel(background)
	p := engine.StartInit(ctx, engine.Config{ID: id, Rank: 0, Size: 3})
	cancel()
	_, err = p.Wait(background)
	require.ErrorIs(t, err, context.Canceled)
}

func TestSuspend(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	for _, call := range []func(*engine.Comm) error{(*engine.Comm).Suspend, (*engine.Comm).Resume} {
		err := call(w[1])
		var unsupported *engine.UnsupportedError
		require.ErrorAs(t, err, &unsupported)
		require.ErrorIs(t, err, engine.ErrUnsupported)
		require.Equal(t, 1, unsupported.Rank)
		require.Equal(t, engine.InvalidUsage, engine.ResultOf(err))
	}
	w.must(t, func(_ int, c *engine.Comm) error {
		x := strided.Of(make([]float32, 3))
		return c.AllReduce(background, x, x, engine.Sum)
	})
	require.NoError(t, w[0].Close())
	require.ErrorIs(t, w[0].Suspend(), engine.ErrClosed)
}
