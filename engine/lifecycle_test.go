package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

func TestInitAll(t *testing.T) {
	for _, transport := range []string{"", "auto", "inproc", "tcp", "shm"} {
		if _, ok := worlds[transport]; !ok && transport == "shm" {
			continue
		}
		for size := 1; size <= 4; size++ {
			t.Run(fmt.Sprintf("%s/np=%d", transport, size), func(t *testing.T) {
				comms, err := engine.InitAll(background, size, engine.Config{Transport: transport})
				require.NoError(t, err)
				w := keep(t, comms)
				wire := transport
				if transport == "" || transport == "auto" {
					wire = "inproc"
				}
				w.must(t, func(rank int, c *engine.Comm) error {
					info := c.Query()
					if size > 1 && info.Transport != wire {
						return fmt.Errorf("over %s", info.Transport)
					}
					if info.Rank != rank || info.Size != size || info.Device != -1 || info.State != engine.Ready || info.Err != nil {
						return fmt.Errorf("%+v", info)
					}
					return sum(c, rank, ranksTo(size))
				})
			})
		}
	}
	for _, transport := range []string{"", "tcp"} {
		_, err := engine.InitAll(background, 0, engine.Config{Transport: transport})
		require.ErrorIs(t, err, engine.ErrInvalidArgument)
	}
	_, err := engine.InitAll(background, 2, engine.Config{Transport: "pigeon"})
	require.ErrorIs(t, err, engine.ErrInvalidArgument)
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err = engine.InitAll(ctx, 2, engine.Config{Transport: "tcp"})
	require.ErrorIs(t, err, context.Canceled)
}

// TestFinalize: what was started before still succeeds.
func TestFinalize(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3, engine.Config{})
			w.must(t, func(rank int, c *engine.Comm) error {
				var works []*engine.Work
				x := strided.Of(make([]float32, 1000))
				for range 20 {
					work, err := c.StartAllReduce(background, x, x, engine.Sum)
					if err != nil {
						return err
					}
					works = append(works, work)
				}
				if err := c.Finalize(background); err != nil {
					return err
				}
				if c.State() != engine.Closed {
					return fmt.Errorf("it is %v", c.State())
				}
				for _, work := range works {
					if err := work.Err(); err != nil {
						return err
					}
					<-work.Done()
				}
				return c.Close()
			})
		})
	}
}

// TestFinalizeWaitsWithinContext: a collective whose other ranks do not come holds
// Finalize up for as long as its context says.
func TestFinalizeWaitsWithinContext(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	x := strided.Of(make([]float32, 10))
	work, err := w[0].StartAllReduce(background, x, x, engine.Sum)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, w[0].Finalize(ctx), context.DeadlineExceeded)
	require.Equal(t, engine.Ready, w[0].State())
	y := strided.Of(make([]float32, 10))
	require.NoError(t, w[1].AllReduce(background, y, y, engine.Sum), "the communicator works on")
	require.NoError(t, work.Wait(background))
	w.must(t, func(_ int, c *engine.Comm) error { return c.Finalize(background) })
	require.NoError(t, w[0].Abort(), "again")
	require.ErrorIs(t, w[0].Finalize(background), engine.ErrClosed)
}

// blocked has all ranks but 0 call all_reduce and returns when they wait; their errors
// come later.
func blocked(t *testing.T, w world) <-chan error {
	t.Helper()
	errs := make(chan error, len(w)-1)
	var calling atomic.Int32
	for _, c := range w[1:] {
		go func() {
			x := strided.Of(make([]float32, 100_000))
			calling.Add(1)
			errs <- c.AllReduce(background, x, x, engine.Sum)
		}()
	}
	require.Eventually(t, func() bool { return int(calling.Load()) == len(w)-1 }, 10*time.Second, time.Millisecond)
	time.Sleep(5 * time.Millisecond)
	return errs
}

func next(t *testing.T, errs <-chan error) error {
	t.Helper()
	select {
	case err := <-errs:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("a rank hangs")
		return nil
	}
}

// TestAbort: whichever rank aborts, from another goroutine than the one that waits,
// everybody's call ends and names it.
func TestAbort(t *testing.T) {
	for name, newWorld := range worlds {
		for by := range 3 {
			t.Run(fmt.Sprintf("%s/by=%d", name, by), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 3, engine.Config{})
				errs := blocked(t, w)
				ended := make(chan error, 1)
				go func() { ended <- w[by].Abort() }()
				require.NoError(t, next(t, ended))
				for range 2 {
					err := next(t, errs)
					var re *engine.RankError
					require.ErrorAs(t, err, &re)
					require.ErrorIs(t, err, engine.ErrAborted)
					require.Equal(t, by, re.Rank)
					require.Equal(t, engine.RemoteError, engine.ResultOf(err))
				}
				require.Equal(t, engine.Closed, w[by].State())
				x := strided.Of(make([]float32, 1))
				for rank, c := range w { // those who were in no call hear of it, too
					require.Eventually(t, func() bool { return c.AsyncError() != nil }, 10*time.Second, time.Millisecond)
					require.ErrorIs(t, c.AllReduce(background, x, x, engine.Sum), engine.ErrAborted, "rank %d", rank)
					if rank != by {
						require.Equal(t, engine.Failed, c.State())
					}
				}
				require.NoError(t, w[by].Abort(), "again")
			})
		}
	}
}

// TestAbortDuringClose: Close waits for the others, and Abort ends that.
func TestAbortDuringClose(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, engine.Config{})
			closed := make(chan error, 1)
			go func() { closed <- w[1].Close() }()
			require.Eventually(t, func() bool { return w[1].State() == engine.Closed }, 10*time.Second, time.Millisecond)
			require.NoError(t, w[1].Abort())
			require.NoError(t, next(t, closed))
		})
	}
}

// TestRevoke: everything ends on all ranks, and the ranks can still make new
// communicators.
func TestRevoke(t *testing.T) {
	for name, newWorld := range worlds {
		for by := range 3 {
			t.Run(fmt.Sprintf("%s/by=%d", name, by), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 3, engine.Config{})
				errs := blocked(t, w)
				require.NoError(t, w[by].Revoke())
				for range 2 {
					err := next(t, errs)
					var re *engine.RankError
					require.ErrorAs(t, err, &re)
					require.ErrorIs(t, err, engine.ErrRevoked)
					require.Equal(t, by, re.Rank)
					require.Equal(t, engine.InvalidUsage, engine.ResultOf(err))
				}
				w.must(t, func(rank int, c *engine.Comm) error {
					for c.State() != engine.Revoked {
						time.Sleep(time.Millisecond)
					}
					if err := c.Finalize(background); !errors.Is(err, engine.ErrRevoked) {
						return fmt.Errorf("finalized: %w", err)
					}
					child, err := c.Split(background, 0, -rank)
					if err != nil {
						return err
					}
					defer child.Close()
					if err := sum(child, rank, []int{0, 1, 2}); err != nil {
						return err
					}
					if rank == 1 {
						return nil
					}
					small, err := c.Shrink(background, []int{1}, engine.ShrinkDefault)
					if err != nil {
						return err
					}
					defer small.Close()
					return sum(small, rank, []int{0, 2})
				})
				require.NoError(t, w[by].Close())
				require.ErrorIs(t, w[by].Revoke(), engine.ErrClosed)
			})
		}
	}
}
