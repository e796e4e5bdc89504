package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// without lists the ranks of a world but those given.
func without(size int, out ...int) []int {
	return slices.DeleteFunc(ranksTo(size), func(rank int) bool { return slices.Contains(out, rank) })
}

// TestShrink: a healthy communicator goes on, with children of which each lacks other
// ranks, and whose excluded ranks do not call.
func TestShrink(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 5, engine.Config{})
			for _, out := range [][]int{{}, {0}, {4}, {2, 0}, {1, 2, 3}, {0, 1, 2, 3}, {3, 3}} {
				w.must(t, func(rank int, c *engine.Comm) error {
					if !slices.Contains(out, rank) {
						child, err := c.Shrink(background, out, engine.ShrinkDefault)
						if err != nil {
							return err
						}
						defer child.Close()
						left := without(5, out...)
						if !slices.Equal(child.ParentRanks(), left) || left[child.Rank()] != rank {
							return fmt.Errorf("rank %d of %v", child.Rank(), child.ParentRanks())
						}
						if err := sum(child, rank, left); err != nil {
							return err
						}
					}
					return sum(c, rank, ranksTo(5))
				})
			}
		})
	}
}

func TestShrinkArguments(t *testing.T) {
	w := localWorld(t, 3, engine.Config{})
	for _, call := range []struct {
		out   []int
		flags engine.ShrinkFlags
	}{{[]int{3}, 0}, {[]int{-1}, 0}, {[]int{1, 0}, 0}, {nil, 2}} {
		_, err := w[0].Shrink(background, call.out, call.flags)
		var argument *engine.ArgumentError
		require.ErrorAs(t, err, &argument, "%+v", call)
	}
	require.EqualValues(t, 0, engine.ShrinkDefault) // as in nccl.h
	require.EqualValues(t, 1, engine.ShrinkAbort)
	require.EqualValues(t, -1, engine.NoColor)
	w.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(3)) })
}

// TestShrinkDisagreement: whoever names whom, nobody gets a communicator, all hear of
// it soon, and those who name the same afterwards get one.
func TestShrinkDisagreement(t *testing.T) {
	none := []int{-1} // does not call
	cases := map[string][][]int{
		"one names more":              {{}, {}, {}, {1}},
		"one names fewer":             {none, {0}, {0}, {}},
		"the leader names more":       {{2}, {}, {}, {}},
		"they follow different ranks": {none, {0}, {0, 1}, {0}},
		"each names another":          {{1}, {2}, {3}, {0}},
		"all wait for the same":       {{1, 2}, {0, 2}, {0, 1}, {2}},
	}
	for name, newWorld := range worlds {
		for what, sets := range cases {
			for _, flags := range []engine.ShrinkFlags{engine.ShrinkDefault, engine.ShrinkAbort} {
				t.Run(fmt.Sprintf("%s/%s/flags=%d", name, what, flags), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, 4, engine.Config{})
					errs := w.each(t, func(rank int, c *engine.Comm) error {
						if slices.Equal(sets[rank], none) {
							return nil
						}
						_, err := c.Shrink(background, sets[rank], flags)
						return err
					})
					for rank, err := range errs {
						if slices.Equal(sets[rank], none) {
							continue
						}
						var mismatch *engine.MismatchError
						require.ErrorAs(t, err, &mismatch, "rank %d: %v", rank, err)
						require.ErrorIs(t, err, engine.ErrMismatch)
						require.Equal(t, flags == engine.ShrinkAbort, mismatch.Broken)
					}
					w.must(t, func(rank int, c *engine.Comm) error {
						if rank == 3 {
							return nil
						}
						child, err := c.Shrink(background, []int{3}, flags)
						if errors.Is(err, engine.ErrMismatch) && slices.Equal(sets[rank], none) {
							// For all that the others know, it is late.
							child, err = c.Shrink(background, []int{3}, flags)
						}
						if err != nil {
							return err
						}
						defer child.Close()
						return sum(child, rank, ranksTo(3))
					})
				})
			}
		}
	}
}

// TestShrinkAbort: calls under way end with errors first, and the excluded rank, which
// lives, hears of the end of the communicator.
func TestShrinkAbort(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 4, engine.Config{})
			errs := blocked(t, w)
			w.must(t, func(rank int, c *engine.Comm) error {
				if rank == 2 {
					return nil
				}
				child, err := c.Shrink(background, []int{2}, engine.ShrinkAbort)
				if err != nil {
					return err
				}
				defer child.Close()
				return sum(child, rank, without(4, 2))
			})
			for range 3 {
				require.ErrorIs(t, next(t, errs), engine.ErrAborted)
			}
			for _, c := range w {
				require.Equal(t, engine.Failed, c.State())
			}
		})
	}
}

// TestShrinkNeedsSurvivors: one that has closed the communicator is named, one that
// does not come is named when the time is up, and one that gives up is, too.
func TestShrinkNeedsSurvivors(t *testing.T) {
	for name, newWorld := range worlds {
		for absent := range 3 {
			for what, is := range map[string]error{"closed": engine.ErrPeerLost, "late": engine.ErrTimeout, "gives up": engine.ErrAborted} {
				t.Run(fmt.Sprintf("%s/rank %d %s", name, absent, what), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, 3, engine.Config{})
					never := -1
					switch what {
					case "late":
						engine.SetInitTimeout(300*time.Millisecond, w...)
					case "gives up": // since the last one never comes
						never = max(1, 3-absent) % 3
						if absent == 0 {
							never = 2
						}
					}
					errs := w.each(t, func(rank int, c *engine.Comm) error {
						switch {
						case rank == never, rank == absent && what == "late":
							return nil
						case rank == absent && what == "closed":
							return c.Abort()
						case rank == absent:
							ctx, cancel := context.WithCancel(background)
							time.AfterFunc(100*time.Millisecond, cancel)
							_, err := c.Shrink(ctx, nil, engine.ShrinkAbort)
							return err
						}
						_, err := c.Shrink(background, nil, engine.ShrinkAbort)
						return err
					})
					for rank, err := range errs {
						switch {
						case rank == never:
						case rank == absent && what == "gives up":
							require.ErrorIs(t, err, context.Canceled)
						case rank == absent:
							require.NoError(t, err)
						case errors.Is(err, engine.ErrClosed): // it was still there to say so itself
							require.Equal(t, "closed", what)
						default:
							require.ErrorIs(t, err, is, "rank %d", rank)
							var re *engine.RankError
							require.ErrorAs(t, err, &re)
							require.Equal(t, absent, re.Rank, "%v", err)
						}
					}
				})
			}
		}
	}
}

// TestShrinkLayouts: a shrunk communicator carries more than a few chunks, in
// layouts of all kinds.
func TestShrinkLayouts(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 4, engine.Config{ChunkBytes: 4096})
			w.must(t, func(rank int, c *engine.Comm) error {
				if rank == 1 {
					return nil
				}
				child, err := c.Shrink(background, []int{1}, engine.ShrinkAbort)
				if err != nil {
					return err
				}
				defer child.Close()
				data := make([]float32, 120*90)
				for i := range data {
					data[i] = float32(i % 97 * (child.Rank() + 1))
				}
				x := strided.Of(data).Reshape(120, 90).Permute(1, 0)
				if err := child.AllReduce(background, x, x, engine.Sum); err != nil {
					return err
				}
				for i := range data {
					if want := float32(i % 97 * 6); data[i] != want {
						return fmt.Errorf("element %d is %v, want %v", i, data[i], want)
					}
				}
				return nil
			})
		})
	}
}
