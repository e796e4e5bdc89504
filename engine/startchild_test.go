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
)

// child is what a started communicator must turn out to be.
type child struct {
	pending *engine.PendingComm
	group   []int // the ranks of the parent in it; nil if there is none
}

// check waits for a communicator, looks whether it is the right one, and closes it.
func (k child) check(rank int) error {
	c, err := k.pending.Wait(background)
	if err != nil {
		return err
	}
	if c == nil || k.group == nil {
		if c != nil || k.group != nil {
			return fmt.Errorf("%v where %v are to be", c, k.group)
		}
		return nil
	}
	if !slices.Equal(c.ParentRanks(), k.group) || c.Rank() != slices.Index(k.group, rank) {
		return fmt.Errorf("rank %d of %v, want %v", c.Rank(), c.ParentRanks(), k.group)
	}
	return errors.Join(sum(c, rank, k.group), c.Close())
}

// TestStartedChildrenInOrder starts splits and shrinks amid collectives, started and
// blocking ones, and waits for nothing in between: ranks would disagree if one took
// another's place. What is made is used after all has been started.
func TestStartedChildrenInOrder(t *testing.T) {
	const steps = 40
	for name, newWorld := range worlds {
		for _, size := range []int{1, 2, 3, 5} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				w := newWorld(t, size, engine.Config{ChunkBytes: smallChunk})
				w.must(t, func(rank int, c *engine.Comm) error {
					random := rand.New(rand.NewPCG(seed, 2)) // the same on all ranks
					x := []int64{1}
					want := int64(1)
					var works []*engine.Work
					var children []child
					for range steps {
						out, colors := random.Perm(size)[:random.IntN(size)], make([]int, size)
						for i := range colors {
							colors[i] = random.IntN(3) - 1
						}
						root := random.IntN(size)
						switch random.IntN(6) {
						case 0:
							work, err := c.StartBroadcast(background, strided.Of(x), strided.Of(x), root)
							if err != nil {
								return err
							}
							works = append(works, work)
						case 1:
							if err := c.AllReduce(background, strided.Of(x), strided.Of(x), engine.Max); err != nil {
								return err
							}
						case 2: // an order of which the result tells
							op := engine.Max
							if want*int64(size) < 1<<40 {
								op, want = engine.Sum, want*int64(size)
							}
							work, err := c.StartAllReduce(background, strided.Of(x), strided.Of(x), op)
							if err != nil {
								return err
							}
							works = append(works, work)
						case 3:
							if slices.Contains(out, rank) {
								continue
							}
							p, err := c.StartShrink(background, out, engine.ShrinkDefault)
							if err != nil {
								return err
							}
							children = append(children, child{p, without(size, out...)})
						default:
							p, err := c.StartSplit(background, colors[rank], -rank)
							if err != nil {
								return err
							}
							k := child{pending: p}
							if colors[rank] != engine.NoColor {
								k.group = expectedGroup(rank, colors, []int{0, -1, -2, -3, -4}[:size])
							}
							children = append(children, k)
						}
					}
					for _, work := range works {
						if err := work.Wait(background); err != nil {
							return err
						}
					}
					for i, k := range children {
						if err := k.check(rank); err != nil {
							return fmt.Errorf("child %d: %w", i, err)
						}
					}
					if err := c.Barrier(background); err != nil {
						return err
					}
					if x[0] != want {
						return fmt.Errorf("the parent has %d, want %d", x[0], want)
					}
					return nil
				})
			})
		}
	}
}

// TestStartSplitDoesNotWait: neither for other ranks, nor for a call before it, and the end
// of a wait is not that of the call, whose communicator is there for whoever asks again.
func TestStartSplitDoesNotWait(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2, engine.Config{})
			x, y := strided.Of([]int64{1}), strided.Of([]int64{2})
			first, err := w[0].StartAllReduce(background, x, x, engine.Sum)
			require.NoError(t, err)
			p, err := w[0].StartSplit(background, 3, 0)
			require.NoError(t, err)
			behind, err := w[0].StartAllReduce(background, x, x, engine.Sum)
			require.NoError(t, err)
			_, err = p.Poll()
			require.ErrorIs(t, err, engine.ErrInProgress)
			ctx, cancel := context.WithTimeout(background, time.Millisecond)
			defer cancel()
			_, err = p.Wait(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "split goes on")
			require.False(t, done(first))

			require.NoError(t, w[1].AllReduce(background, y, y, engine.Sum))
			other, err := w[1].Split(background, 3, 0)
			require.NoError(t, err)
			require.NoError(t, w[1].AllReduce(background, y, y, engine.Sum))
			require.NoError(t, behind.Wait(background))
			mine, err := p.Wait(background)
			require.NoError(t, err)
			again, err := p.Poll()
			require.NoError(t, err)
			require.Same(t, mine, again)
			world{mine, other}.must(t, func(rank int, c *engine.Comm) error { return errors.Join(sum(c, rank, ranksTo(2)), c.Close()) })
			require.NoError(t, p.Abort(), "the same as mine.Abort")
		})
	}
}

// TestCallsDoNotWaitForNewRanks: a growth whose new ranks have not come holds nothing up,
// and what it is to be does not matter for it.
func TestCallsDoNotWaitForNewRanks(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2, engine.Config{})
			id, err := w[1].GrowID()
			require.NoError(t, err)
			ids := []engine.UniqueID{{}, id}
			pending := make([]*engine.PendingComm, 2)
			w.must(t, func(rank int, c *engine.Comm) (err error) {
				if pending[rank], err = c.StartGrow(background, 3, ids[rank]); err != nil {
					return err
				}
				half, err := c.Split(background, rank, 0)
				if err != nil {
					return err
				}
				return errors.Join(half.Close(), sum(c, rank, ranksTo(2)))
			})
			for _, p := range pending {
				_, err := p.Poll()
				require.ErrorIs(t, err, engine.ErrInProgress)
			}
			again, err := w[1].GrowID()
			require.NoError(t, err)
			require.Equal(t, id, again, "it has not been used")
			transport := name
			if name == "inproc" {
				transport = "auto"
			}
			joined, err := engine.Init(background, engine.Config{ID: id, Rank: 2, Size: 3, Transport: transport})
			require.NoError(t, err)
			next := world{2: joined}
			for rank, p := range pending {
				next[rank], err = p.Wait(background)
				require.NoError(t, err)
			}
			keep(t, next).must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(3)) })
			fresh, err := w[1].GrowID()
			require.NoError(t, err)
			require.NotEqual(t, id, fresh)
		})
	}
}

// TestStartChildArguments: what is refused is so at once, and told to the others in its
// turn, where they are to take part.
func TestStartChildArguments(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2, engine.Config{})
			var argument *engine.ArgumentError
			for what, start := range map[string]func(c *engine.Comm, bad bool) (*engine.PendingComm, error){
				"color": func(c *engine.Comm, bad bool) (*engine.PendingComm, error) {
					return c.StartSplit(background, map[bool]int{true: -2}[bad], 0)
				},
				"size": func(c *engine.Comm, bad bool) (*engine.PendingComm, error) {
					return c.StartGrow(background, map[bool]int{true: 1, false: 3}[bad], engine.UniqueID{})
				},
				"id": func(c *engine.Comm, bad bool) (*engine.PendingComm, error) {
					return c.StartGrow(background, 3, map[bool]engine.UniqueID{true: {1: 9}}[bad])
				},
			} {
				_, err := start(w[0], true)
				require.ErrorAs(t, err, &argument, what)
				require.Equal(t, what, argument.Argument)
				p, err := start(w[1], false)
				require.NoError(t, err)
				_, err = p.Wait(background)
				require.ErrorIs(t, err, engine.ErrMismatch)
				require.ErrorContains(t, err, "rank 0 passed invalid arguments")
			}
			_, err := w[0].StartShrink(background, []int{0}, engine.ShrinkDefault)
			require.ErrorAs(t, err, &argument)
			w.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(2)) })
			ctx, cancel := context.WithCancel(background)
			cancel()
			_, err = w[0].StartSplit(ctx, 0, 0)
			require.ErrorIs(t, err, context.Canceled)
			w.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(2)) })
		})
	}
}
