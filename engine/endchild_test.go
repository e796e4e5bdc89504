package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// TestStartedChildEnds has one rank end what it has started, or what that is made of, while
// it is queued, while the ranks meet, and while they join the new communicator: its own
// call and those of the others return, say why, and leave the parent as they should.
func TestStartedChildEnds(t *testing.T) {
	const by = 1
	type ending struct {
		end        func(c *engine.Comm, p *engine.PendingComm, cancel func()) error
		own, other error
		parent     bool // it ends with the child even when all ranks have met
	}
	endings := map[string]ending{
		"its context": {func(_ *engine.Comm, _ *engine.PendingComm, cancel func()) error { cancel(); return nil }, context.Canceled, engine.ErrAborted, false},
		"abort":       {func(_ *engine.Comm, p *engine.PendingComm, _ func()) error { return p.Abort() }, engine.ErrAborted, engine.ErrAborted, false},
		"close": {func(c *engine.Comm, p *engine.PendingComm, _ func()) error {
			go func() { _ = c.Close() }() // which waits for the others to do so
			<-p.Done()
			return nil
		}, engine.ErrClosed, engine.ErrClosed, true},
		"abort of the parent": {func(c *engine.Comm, _ *engine.PendingComm, _ func()) error { return c.Abort() },
			engine.ErrAborted, engine.ErrAborted, true},
		"revoke": {func(c *engine.Comm, _ *engine.PendingComm, _ func()) error { return c.Revoke() }, engine.ErrRevoked, engine.ErrRevoked, true},
	}
	stages := map[string]func(ctx context.Context, t *testing.T, w world) []*engine.PendingComm{
		"queued": func(ctx context.Context, t *testing.T, w world) []*engine.PendingComm {
			x := strided.Of(make([]int64, 3))
			_, err := w[by].StartAllReduce(background, x, x, engine.Sum)
			require.NoError(t, err)
			p, err := w[by].StartSplit(ctx, 0, 0)
			require.NoError(t, err)
			return []*engine.PendingComm{by: p, 2: nil}
		},
		"meeting": func(ctx context.Context, t *testing.T, w world) []*engine.PendingComm {
			p, err := w[by].StartSplit(ctx, 0, 0)
			require.NoError(t, err)
			other, err := w[2].StartSplit(background, 0, 0)
			require.NoError(t, err)
			return []*engine.PendingComm{by: p, 2: other}
		},
		"joining": func(ctx context.Context, t *testing.T, w world) []*engine.PendingComm {
			id, err := w[0].GrowID()
			require.NoError(t, err)
			pending := make([]*engine.PendingComm, len(w))
			for rank, c := range w {
				within, own := background, engine.UniqueID{}
				if rank == by {
					within = ctx
				} else if rank == 0 {
					own = id
				}
				pending[rank], err = c.StartGrow(within, len(w)+1, own)
				require.NoError(t, err)
			}
			w.must(t, func(_ int, c *engine.Comm) error { return c.Barrier(background) }) // they have met
			return pending
		},
	}
	for name, newWorld := range worlds {
		for stage, start := range stages {
			for how, e := range endings {
				t.Run(fmt.Sprintf("%s/%s/%s", name, stage, how), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, 3, engine.Config{})
					ctx, cancel := context.WithCancel(background)
					defer cancel()
					pending := start(ctx, t, w)
					require.NoError(t, e.end(w[by], pending[by], cancel))
					errs := w.each(t, func(rank int, c *engine.Comm) error {
						if pending[rank] == nil {
							return nil
						}
						_, err := pending[rank].Wait(background)
						return err
					})
					require.ErrorIs(t, errs[by], e.own)
					for rank, p := range pending {
						if p == nil || rank == by {
							continue
						}
						var world *bootstrap.WorldError
						if stage == "joining" && errors.As(errs[rank], &world) { // that it has left is known before why
							require.Equal(t, []int{by}, world.Ranks)
							continue
						}
						var re *engine.RankError
						require.ErrorAs(t, errs[rank], &re)
						require.ErrorIs(t, errs[rank], e.other)
						require.Equal(t, by, re.Rank)
					}
					if !e.parent && stage == "joining" {
						w.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(3)) })
						return
					}
					if how != "close" { // the others had counted on the call
						for _, c := range w {
							require.Eventually(t, func() bool { return c.Err() != nil }, 10*time.Second, time.Millisecond)
						}
					}
					_, err := w[by].StartGrow(background, 4, engine.UniqueID{})
					require.Error(t, err)
				})
			}
		}
	}
}

// TestStartedChildGivenUp: a rank that gives up between the meeting and the new
// communicator's own tells the others, wherever they are by then, and the parent stays as it
// is if they had all met.
func TestStartedChildGivenUp(t *testing.T) {
	rounds := 8
	if raceDetector {
		rounds = 3
	}
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 3))
			w := newWorld(t, 3, engine.Config{})
			for range rounds {
				by, after := random.IntN(3), time.Duration(random.IntN(2000))*time.Microsecond
				errs := w.each(t, func(rank int, c *engine.Comm) error {
					p, err := c.StartSplit(background, 0, 0)
					if err != nil {
						return err
					}
					if err := c.Barrier(background); err != nil { // all have met
						return err
					}
					if rank == by {
						time.Sleep(after)
						return p.Abort()
					}
					child, err := p.Wait(background)
					if err == nil { // it was ready before
						err = child.Barrier(background)
						_ = child.Abort()
					}
					return err
				})
				require.NoError(t, errs[by])
				for rank, err := range errs {
					if rank == by {
						continue
					}
					require.Error(t, err)
					// On a slow machine, that it has left may be known before why.
					require.True(t, errors.Is(err, engine.ErrAborted) || errors.Is(err, engine.ErrPeerLost) || errors.Is(err, engine.ErrClosed), "%v", err)
				}
				w.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(3)) })
			}
		})
	}
}

// TestFinalizeWaitsForChildren: what has been started is made, and works.
func TestFinalizeWaitsForChildren(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3, engine.Config{})
			w.must(t, func(rank int, c *engine.Comm) error {
				var children []child
				for range 3 {
					p, err := c.StartSplit(background, 0, 0)
					if err != nil {
						return err
					}
					children = append(children, child{p, ranksTo(3)})
					if rank == 1 {
						continue
					}
					if p, err = c.StartShrink(background, []int{1}, engine.ShrinkDefault); err != nil {
						return err
					}
					children = append(children, child{p, []int{0, 2}})
				}
				if err := c.Finalize(background); err != nil {
					return err
				}
				for _, k := range children {
					if _, err := k.pending.Poll(); err != nil {
						return err
					}
				}
				for _, k := range children {
					if err := k.check(rank); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}

// TestManyStartedChildren: more than are made at a time, and than a rank may have proposals
// at another.
func TestManyStartedChildren(t *testing.T) {
	many := 150
	if raceDetector {
		many = 40
	}
	w := localWorld(t, 3, engine.Config{})
	w.must(t, func(rank int, c *engine.Comm) error {
		children := make([]child, many)
		for i := range children {
			p, err := c.StartSplit(background, i%2, rank*(i%3-1))
			if err != nil {
				return err
			}
			children[i] = child{p, expectedGroup(rank, []int{0, 0, 0}, []int{0, i%3 - 1, 2 * (i%3 - 1)})}
		}
		slices.Reverse(children) // nothing depends on who asks first
		for _, k := range children {
			if err := k.check(rank); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestStartedChildrenOfRevoked: splits and shrinks of a communicator that has been revoked
// or has failed are made in the order in which they are started, among blocking ones.
func TestStartedChildrenOfRevoked(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			w := newWorld(t, 4, engine.Config{})
			x := strided.Of(make([]int64, 1))
			_, err := w[2].StartAllReduce(background, x, x, engine.Sum)
			require.NoError(t, err)
			queued, err := w[2].StartSplit(background, 0, 0)
			require.NoError(t, err)
			require.NoError(t, w[3].Revoke())
			_, err = queued.Wait(background)
			require.ErrorIs(t, err, engine.ErrRevoked)
			w.must(t, func(rank int, c *engine.Comm) error {
				for c.State() != engine.Revoked {
					time.Sleep(time.Millisecond)
				}
				random := rand.New(rand.NewPCG(seed, 4))
				var children []child
				for range 12 {
					out, how := random.Perm(4)[:random.IntN(3)], random.IntN(4)
					flags := engine.ShrinkFlags(random.IntN(2))
					if slices.Contains(out, rank) {
						continue
					}
					var p *engine.PendingComm
					var err error
					group := without(4, out...)
					switch {
					case how == 0:
						next, err := c.Shrink(background, out, flags)
						if err != nil {
							return err
						}
						if err := errors.Join(sum(next, rank, group), next.Close()); err != nil {
							return err
						}
						continue
					case how == 1 && len(out) == 0:
						p, err = c.StartSplit(background, 5, 0)
					default:
						p, err = c.StartShrink(background, out, flags)
					}
					if err != nil {
						return err
					}
					children = append(children, child{p, group})
				}
				for _, k := range children {
					if err := k.check(rank); err != nil {
						return err
					}
				}
				_, err := c.StartGrow(background, 5, engine.UniqueID{})
				if !errors.Is(err, engine.ErrRevoked) {
					return fmt.Errorf("grown: %w", err)
				}
				return nil
			})
		})
	}
}

// TestStartShrinkAfterLoss: survivors of a failure start to shrink without waiting, and what
// was in progress has ended by then.
func TestStartShrinkAfterLoss(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3, engine.Config{})
			x := strided.Of(make([]int64, 1))
			work, err := w[0].StartAllReduce(background, x, x, engine.Sum)
			require.NoError(t, err)
			require.NoError(t, w[1].Abort())
			p, err := w[0].StartShrink(background, []int{1}, engine.ShrinkAbort)
			require.NoError(t, err)
			require.ErrorIs(t, work.Wait(background), engine.ErrAborted)
			_, err = w[0].StartSplit(background, 0, 0)
			require.ErrorIs(t, err, engine.ErrAborted)
			_, err = w[0].StartShrink(background, []int{1}, engine.ShrinkDefault)
			require.ErrorContains(t, err, "use ShrinkAbort")
			second, err := w[2].Shrink(background, []int{1}, engine.ShrinkAbort)
			require.NoError(t, err)
			first, err := p.Wait(background)
			require.NoError(t, err)
			next := keep(t, world{first, second})
			next.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(2)) })

			// A rank of one can do so, too, whatever it has started before.
			alone := newWorld(t, 1, engine.Config{})[0]
			early, err := alone.StartShrink(background, nil, engine.ShrinkDefault)
			require.NoError(t, err)
			p, err = alone.StartShrink(background, nil, engine.ShrinkAbort)
			require.NoError(t, err)
			c, err := p.Wait(background)
			require.NoError(t, err)
			require.NoError(t, c.Close())
			if c, err = early.Wait(background); err == nil {
				require.NoError(t, c.Close())
			} else {
				require.ErrorIs(t, err, engine.ErrAborted)
			}
		})
	}
}

// TestVerdictBeforeFarewell: when a disagreement makes the communicator unusable while ranks
// make another of it, all hear of that, also those whom the others' leaving has reached
// before they look.
func TestVerdictBeforeFarewell(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3, engine.Config{})
			id, err := w[0].GrowID()
			require.NoError(t, err)
			pending := make([]*engine.PendingComm, len(w))
			w.must(t, func(rank int, c *engine.Comm) (err error) {
				own := engine.UniqueID{}
				if rank == 0 {
					own = id
				}
				pending[rank], err = c.StartGrow(background, 4, own)
				return errors.Join(err, c.Barrier(background))
			})
			x := strided.Of(make([]float32, 3))
			for range 2 { // it has gone on when the others disagree about the first
				require.NoError(t, w[0].Broadcast(background, x, x, 0))
			}
			w.must(t, func(rank int, c *engine.Comm) error {
				if rank > 0 {
					x := strided.Of(make([]float32, 3))
					if err := c.AllReduce(background, x, x, engine.Sum); !errors.Is(err, engine.ErrMismatch) {
						return fmt.Errorf("all_reduce: %w", err)
					}
				}
				if _, err := pending[rank].Wait(background); !errors.Is(err, engine.ErrMismatch) {
					return fmt.Errorf("grow: %w", err)
				}
				if rank == 1 {
					return nil
				}
				return c.Close()
			})
			if name == "inproc" {
				return // nobody hears there that others leave
			}
			require.Eventually(t, func() bool { _, control := engine.WhyFailed(w[1]); return control != nil }, 10*time.Second, time.Millisecond)
			why, control := engine.WhyFailed(w[1])
			require.NotErrorIs(t, control, engine.ErrMismatch, "the others have left")
			require.ErrorIs(t, why, engine.ErrMismatch)
		})
	}
}
