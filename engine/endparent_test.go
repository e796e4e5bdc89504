package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// TestEndParentAtOnce: a rank that has its new communicator may end the old one in any way,
// though others are still joining theirs.
func TestEndParentAtOnce(t *testing.T) {
	rounds := 4
	if raceDetector {
		rounds = 2
	}
	endings := map[string]func(c *engine.Comm) error{
		"abort":  (*engine.Comm).Abort,
		"revoke": (*engine.Comm).Revoke,
		"failure": func(c *engine.Comm) error { // as of a collective that is given up
			gone, cancel := context.WithTimeout(background, time.Millisecond)
			defer cancel()
			if err := c.Barrier(gone); err == nil {
				return errors.New("a barrier of one rank has ended well")
			}
			return nil
		},
	}
	for name, newWorld := range worlds {
		for how, end := range endings {
			for what, begin := range beginnings(name) {
				t.Run(fmt.Sprintf("%s/%s/%s", name, how, what), func(t *testing.T) {
					for range rounds {
						by := rand.IntN(3)
						w := newWorld(t, 3, engine.Config{})
						children := make(world, 3)
						make, finish := begin(t, w, by)
						w.must(t, func(rank int, c *engine.Comm) (err error) {
							if children[rank], err = make(rank, c); err == nil && rank == by {
								err = end(c)
							}
							return err
						})
						children = finish(children)
						keep(t, children).must(t, func(_ int, c *engine.Comm) error { return sum(c, c.Rank(), ranksTo(c.Size())) })
						w.must(t, func(_ int, c *engine.Comm) error { _ = c.Abort(); return nil })
					}
				})
			}
		}
	}
}

// beginning prepares a call that makes communicators of a world's ranks, of which one is to
// have its own early, and adds the ranks that come from elsewhere in the end.
type beginning func(t *testing.T, w world, early int) (call func(rank int, c *engine.Comm) (*engine.Comm, error), finish func(world) world)

func beginnings(transport string) map[string]beginning {
	if transport == "inproc" {
		transport = "auto"
	}
	as := func(call func(early, rank int, c *engine.Comm) (*engine.Comm, error)) beginning {
		return func(_ *testing.T, _ world, early int) (func(int, *engine.Comm) (*engine.Comm, error), func(world) world) {
			return func(rank int, c *engine.Comm) (*engine.Comm, error) { return call(early, rank, c) }, func(w world) world { return w }
		}
	}
	return map[string]beginning{
		"split": as(func(_, _ int, c *engine.Comm) (*engine.Comm, error) { return c.Split(background, 0, 0) }),
		"split off": as(func(early, rank int, c *engine.Comm) (*engine.Comm, error) { // it waits for nobody
			return c.Split(background, map[bool]int{true: 1}[rank == early], 0)
		}),
		"shrink": as(func(_, _ int, c *engine.Comm) (*engine.Comm, error) {
			return c.Shrink(background, nil, engine.ShrinkDefault)
		}),
		"grow": func(t *testing.T, w world, _ int) (func(int, *engine.Comm) (*engine.Comm, error), func(world) world) {
			id, err := w[0].GrowID()
			require.NoError(t, err)
			fresh := engine.StartInit(background, engine.Config{ID: id, Rank: 3, Size: 4, Transport: transport})
			return func(rank int, c *engine.Comm) (*engine.Comm, error) {
					return c.Grow(background, 4, map[bool]engine.UniqueID{true: id}[rank == 0])
				}, func(w world) world {
					c, err := fresh.Wait(background)
					require.NoError(t, err)
					return append(slices.Clone(w), c)
				}
		},
	}
}

// TestJoinGrace: ranks that have met have a while to join after the old communicator has
// ended, unless a rank is lost.
func TestJoinGrace(t *testing.T) {
	for name, k := range map[string]struct {
		why   error
		grace time.Duration
	}{
		"aborted":         {&engine.RankError{Rank: 1, Err: engine.ErrAborted}, engine.JoinGrace},
		"revoked":         {&engine.RankError{Rank: 1, Err: engine.ErrRevoked}, engine.JoinGrace},
		"another is lost": {&engine.RankError{Rank: 2, Err: engine.ErrPeerLost}, 0},
		"a member is":     {&engine.RankError{Rank: 1, Err: engine.ErrPeerLost}, 0},
		"it is late":      {&engine.RankError{Rank: 1, Err: engine.ErrTimeout}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, err := engine.NewLocal(3, engine.Config{})
				require.NoError(t, err)
				within, cancel := engine.Joining(background, w[0])
				defer cancel()
				meeting, met := engine.WhileUp(background, w[0])
				defer met()
				time.Sleep(time.Hour)
				require.NoError(t, within.Err())
				engine.Fail(w[0], k.why)
				began := time.Now()
				<-meeting.Done()
				require.Zero(t, time.Since(began))
				require.ErrorIs(t, context.Cause(meeting), k.why)
				<-within.Done()
				require.Equal(t, k.grace, time.Since(began))
				require.ErrorIs(t, context.Cause(within), k.why)
				for _, c := range w {
					require.NoError(t, c.Close())
				}
			})
		})
	}
}

// TestOwnEndGivesUp: a rank that ends the old communicator while it joins the new one gives
// that up, and the others need not wait for it.
func TestOwnEndGivesUp(t *testing.T) {
	for how, end := range map[string]struct {
		end func(c *engine.Comm) error
		is  error
	}{"abort": {(*engine.Comm).Abort, engine.ErrAborted}, "close": {(*engine.Comm).Close, engine.ErrClosed}} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, err := engine.NewLocal(3, engine.Config{})
				require.NoError(t, err)
				began := time.Now()
				time.AfterFunc(time.Second, func() { _ = end.end(w[1]) })
				errs := world(w).each(t, func(_ int, c *engine.Comm) error {
					_, err := engine.Jointly(background, c, func(ctx context.Context) (*engine.Comm, error) {
						<-ctx.Done()
						return nil, context.Cause(ctx)
					})
					return err
				})
				for rank, err := range errs {
					require.ErrorIs(t, err, end.is, "rank %d", rank)
				}
				require.Equal(t, time.Second, time.Since(began))
				for _, c := range w {
					require.NoError(t, c.Close())
				}
			})
		})
	}
}
