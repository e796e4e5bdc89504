package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// sum all-reduces a rank's number, plus one, over the communicator, and checks that
// the result is that of the ranks which the world has by the parent's numbers.
func sum(c *engine.Comm, number int, all []int) error {
	x := strided.Of([]int64{int64(number + 1), int64(number+1) << 20})
	if err := c.AllReduce(background, x, x, engine.Sum); err != nil {
		return err
	}
	want := int64(0)
	for _, n := range all {
		want += int64(n + 1)
	}
	var got [2]int64
	if err := strided.Copy(strided.Of(got[:]), x); err != nil {
		return err
	}
	if got != [2]int64{want, want << 20} {
		return fmt.Errorf("sum over %v is %v, want %d", all, got, want)
	}
	return nil
}

// expectedGroup is what a split gives a rank, found without the code under test: the
// ranks of its color, smallest key first, and smallest rank where keys are equal.
func expectedGroup(rank int, colors, keys []int) []int {
	var group []int
	for len(group) < len(colors) {
		best := -1
		for r := range colors {
			if colors[r] != colors[rank] || slices.Contains(group, r) {
				continue
			}
			if best < 0 || keys[r] < keys[best] {
				best = r
			}
		}
		if best < 0 {
			break
		}
		group = append(group, best)
	}
	return group
}

func TestSplit(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			for size := 1; size <= 8; size++ {
				if raceDetector && size != 2 && size != 5 {
					continue // the other sizes add nothing for it
				}
				for _, s := range []struct {
					name   string
					colors func(rank int) int
					keys   func(rank int) int
				}{
					{"all", func(int) int { return 7 }, func(rank int) int { return -rank }},
					{"odd and even", func(rank int) int { return rank % 2 }, func(int) int { return 0 }},
					{"some", func(rank int) int { return rank%3 - 1 }, func(rank int) int { return rank % 2 }},
					{"each alone", func(rank int) int { return rank }, func(rank int) int { return rank }},
					{"none", func(int) int { return engine.NoColor }, func(int) int { return 0 }},
				} {
					t.Run(fmt.Sprintf("np=%d/%s", size, s.name), func(t *testing.T) {
						colors, keys := make([]int, size), make([]int, size)
						for rank := range size {
							colors[rank], keys[rank] = s.colors(rank), s.keys(rank)
						}
						w := newWorld(t, size, engine.Config{})
						w.must(t, func(rank int, c *engine.Comm) error {
							child, err := c.Split(background, colors[rank], keys[rank])
							if err != nil {
								return err
							}
							if colors[rank] == engine.NoColor {
								if child != nil {
									return fmt.Errorf("a communicator for no color")
								}
								return sum(c, rank, ranksTo(size))
							}
							group := expectedGroup(rank, colors, keys)
							if !slices.Equal(child.ParentRanks(), group) || child.Size() != len(group) || group[child.Rank()] != rank {
								return fmt.Errorf("rank %d of %v, want place in %v", child.Rank(), child.ParentRanks(), group)
							}
							if err := sum(child, rank, group); err != nil {
								return err
							}
							if err := sum(c, rank, ranksTo(size)); err != nil { // the parent goes on
								return err
							}
							return child.Close()
						})
					})
				}
			}
		})
	}
}

func ranksTo(n int) []int {
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = i
	}
	return ranks
}

// TestSplitOfSplit: children outlive their parents, have children themselves, and are
// used at the same time as they.
func TestSplitOfSplit(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 6, engine.Config{})
			w.must(t, func(rank int, c *engine.Comm) error {
				child, err := c.Split(background, rank%2, 0)
				if err != nil {
					return err
				}
				var wg sync.WaitGroup
				if a, b := c.Stats().Communicator, child.Stats().Communicator; a == b {
					return fmt.Errorf("both are called %q", a)
				}
				errs := make([]error, 2)
				for i, of := range []*engine.Comm{c, child} {
					wg.Go(func() {
						all := ranksTo(6)
						if of == child {
							all = of.ParentRanks()
						}
						for range 20 {
							if errs[i] = sum(of, rank, all); errs[i] != nil {
								return
							}
						}
					})
				}
				wg.Wait()
				for _, err := range errs {
					if err != nil {
						return err
					}
				}
				if err := c.Close(); err != nil {
					return err
				}
				grandchild, err := child.Split(background, min(child.Rank(), 1), 0)
				if err != nil {
					return err
				}
				if err := child.Close(); err != nil {
					return err
				}
				defer grandchild.Close()
				return sum(grandchild, grandchild.Rank(), ranksTo(grandchild.Size()))
			})
		})
	}
}

// TestSplitDisagreement: ranks that call something else, or with a color that cannot
// be.
func TestSplitDisagreement(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 3, engine.Config{})
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				if rank == 1 {
					_, err := c.Split(background, -2, 0)
					return err
				}
				_, err := c.Split(background, 0, 0)
				return err
			})
			var argument *engine.ArgumentError
			require.ErrorAs(t, errs[1], &argument)
			require.Equal(t, "color", argument.Argument)
			for _, rank := range []int{0, 2} {
				require.ErrorIs(t, errs[rank], engine.ErrMismatch)
				require.ErrorContains(t, errs[rank], "rank 1 passed invalid arguments")
			}
			errs = w.each(t, func(rank int, c *engine.Comm) error {
				if rank == 2 {
					x := strided.Of(make([]float32, 3))
					return c.AllReduce(background, x, x, engine.Sum)
				}
				_, err := c.Split(background, 0, 0)
				return err
			})
			for _, err := range errs {
				require.ErrorIs(t, err, engine.ErrMismatch)
				require.ErrorContains(t, err, "rank 2 called all_reduce float sum shape [3]")
				require.ErrorContains(t, err, "ranks 0-1 called split")
			}
			w.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(3)) })
		})
	}
}

// TestSplitLosesRank: a rank that aborts instead of splitting is named to the others,
// and so is one that does so in a child, by both of its numbers.
func TestSplitLosesRank(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			for lost := range 3 {
				w := newWorld(t, 3, engine.Config{})
				errs := w.each(t, func(rank int, c *engine.Comm) error {
					if rank == lost {
						return c.Abort()
					}
					_, err := c.Split(background, 0, 0)
					return err
				})
				for rank, err := range errs {
					if rank == lost {
						require.NoError(t, err)
						continue
					}
					var re *engine.RankError
					require.ErrorAs(t, err, &re)
					require.ErrorIs(t, err, engine.ErrAborted)
					require.Equal(t, lost, re.Rank)
				}
			}
			w := newWorld(t, 4, engine.Config{})
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				child, err := c.Split(background, min(rank, 1), -rank) // ranks 3, 2 and 1 of the parent
				if err != nil {
					return err
				}
				if rank == 0 {
					return child.Close()
				}
				if err := child.Barrier(background); err != nil {
					return err
				}
				if rank == 2 {
					time.Sleep(50 * time.Millisecond)
					return child.Abort()
				}
				defer child.Close()
				x := strided.Of(make([]float32, 1000))
				return child.AllReduce(background, x, x, engine.Sum)
			})
			require.NoError(t, errors.Join(errs[0], errs[2]))
			for _, rank := range []int{1, 3} {
				var re *engine.RankError
				require.ErrorAs(t, errs[rank], &re)
				require.Equal(t, 1, re.Rank, "its number in the child")
				if re.Doing == "" {
					continue // on a slow machine, the call may have come too late to wait
				}
				require.ErrorContains(t, errs[rank], "ranks of the parent: 1 was 2, ")
				require.ErrorContains(t, errs[rank], fmt.Sprintf(", %d was %d)", 3-rank, rank))
			}
			w.must(t, func(rank int, c *engine.Comm) error { return sum(c, rank, ranksTo(4)) })
		})
	}
}

// TestSplitCanceled: the end of one rank's context ends the call on all.
func TestSplitCanceled(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3, engine.Config{})
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				switch rank {
				case 0:
					return nil // never calls
				case 1:
					ctx, cancel := context.WithCancel(background)
					time.AfterFunc(20*time.Millisecond, cancel)
					_, err := c.Split(ctx, 0, 0)
					return err
				}
				_, err := c.Split(background, 0, 0)
				return err
			})
			require.ErrorIs(t, errs[1], context.Canceled)
			for _, rank := range []int{1, 2} {
				var re *engine.RankError
				require.ErrorAs(t, errs[rank], &re)
				require.ErrorIs(t, errs[rank], engine.ErrAborted)
				require.Equal(t, 1, re.Rank)
			}
		})
	}
}

// TestSplitRevoked: a rank that revokes the communicator while others, or it itself, are
// in Split or Grow gives all of them ErrRevoked, and the ranks can split it then.
func TestSplitRevoked(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			for round := range 18 {
				w := newWorld(t, 3, engine.Config{})
				by, absent := round%3, round/3%3 // the latter does not come while it has not heard
				after := time.Duration(round) * 200 * time.Microsecond
				w.must(t, func(rank int, c *engine.Comm) error {
					revoked := make(chan error, 1)
					if rank == by {
						time.AfterFunc(after, func() { revoked <- c.Revoke() })
					} else {
						revoked <- nil
					}
					for rank == absent && c.State() != engine.Revoked {
						time.Sleep(100 * time.Microsecond)
					}
					for {
						child, err := c.Split(background, 0, 0)
						if errors.Is(err, engine.ErrRevoked) && !errors.Is(err, engine.ErrAborted) {
							continue
						}
						if err != nil {
							return err
						}
						return errors.Join(sum(child, rank, ranksTo(3)), child.Close(), <-revoked)
					}
				})
			}
			// While they wait for new ranks, which do not come.
			w := newWorld(t, 3, engine.Config{})
			id, err := w[1].GrowID()
			require.NoError(t, err)
			time.AfterFunc(200*time.Millisecond, func() { _ = w[2].Revoke() })
			for _, err := range w.each(t, func(rank int, c *engine.Comm) error {
				own := id
				if rank != 1 {
					own = engine.UniqueID{}
				}
				_, err := c.Grow(background, 4, own)
				return err
			}) {
				var re *engine.RankError
				require.ErrorAs(t, err, &re)
				require.ErrorIs(t, err, engine.ErrRevoked)
				require.Equal(t, 2, re.Rank)
			}
		})
	}
}
