package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestRefusedArguments: the rank that passes them gets an ArgumentError, the
// others hear of it, nobody's memory is touched, and the communicator lives.
func TestRefusedArguments(t *testing.T) {
	good := func() strided.Tensor { return strided.Of(make([]float32, 12)).Reshape(3, 4) }
	shared := strided.Of(make([]float32, 16)).Reshape(4, 4)
	unaligned := make([]byte, 64)
	cases := []struct {
		name     string
		argument string
		is       error
		call     func(c *engine.Comm) error
	}{
		{"zero tensor", "src", strided.ErrNilMemory, func(c *engine.Comm) error {
			return c.AllReduce(background, good(), strided.Tensor{}, engine.Sum)
		}},
		{"nil memory", "src", strided.ErrNilMemory, func(c *engine.Comm) error {
			return c.AllReduce(background, good(), strided.FromPointer(dtype.Float32, nil, 48), engine.Sum)
		}},
		{"strides do not fit the shape", "src", strided.ErrShape, func(c *engine.Comm) error {
			return c.AllReduce(background, good(), good().AsStrided([]int64{3, 4}, []int64{4}, 0), engine.Sum)
		}},
		{"out of bounds", "dst", strided.ErrBounds, func(c *engine.Comm) error {
			return c.AllReduce(background, good().AsStrided([]int64{3, 4}, []int64{4, 1}, 1), good(), engine.Sum)
		}},
		{"overlapping output", "dst", engine.ErrOverlap, func(c *engine.Comm) error {
			x := strided.Of(make([]float32, 1)).Expand(12)
			return c.AllReduce(background, x, x, engine.Sum)
		}},
		{"output shifted against input", "dst", engine.ErrOverlap, func(c *engine.Comm) error {
			return c.AllReduce(background, shared.Slice(0, 0, 3), shared.Slice(0, 1, 4), engine.Sum)
		}},
		{"output transposed against input", "dst", engine.ErrOverlap, func(c *engine.Comm) error {
			return c.AllReduce(background, shared, shared.Permute(1, 0), engine.Sum)
		}},
		{"unaligned", "dst", strided.ErrUnaligned, func(c *engine.Comm) error {
			return c.AllReduce(background, strided.FromBytes(dtype.Float32, unaligned[1:49]), good(), engine.Sum)
		}},
		{"shapes differ", "dst", strided.ErrShape, func(c *engine.Comm) error {
			return c.AllReduce(background, good().Permute(1, 0), good(), engine.Sum)
		}},
		{"dtypes differ", "dst", engine.ErrInvalidArgument, func(c *engine.Comm) error {
			return c.AllReduce(background, strided.Of(make([]int32, 12)).Reshape(3, 4), good(), engine.Sum)
		}},
		{"no such operator", "op", engine.ErrInvalidArgument, func(c *engine.Comm) error {
			return c.AllReduce(background, good(), good(), engine.Op(9))
		}},
		{"no such root", "root", engine.ErrInvalidArgument, func(c *engine.Comm) error {
			return c.Broadcast(background, good(), good(), 3)
		}},
		{"negative root", "root", engine.ErrInvalidArgument, func(c *engine.Comm) error {
			return c.Broadcast(background, good(), good(), -1)
		}},
	}
	w := localWorld(t, 3, engine.Config{})
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			bystander := layoutNamed("transpose").place(t, dtype.Float32, []int64{3, 4})
			bystander.fill(func(i int) scalar { return input(dtype.Float32, engine.Sum, 0, i) })
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				switch rank {
				case 1:
					return k.call(c)
				case 0:
					return c.AllReduce(background, bystander.tensor, bystander.tensor, engine.Sum)
				}
				return c.AllReduce(background, good(), good(), engine.Sum)
			})
			var argument *engine.ArgumentError
			require.ErrorAs(t, errs[1], &argument)
			require.ErrorIs(t, errs[1], k.is)
			require.ErrorIs(t, errs[1], engine.ErrInvalidArgument)
			require.Equal(t, k.argument, argument.Argument)
			require.Equal(t, 1, argument.Rank)
			require.Equal(t, engine.InvalidArgument, engine.ResultOf(errs[1]))
			for _, rank := range []int{0, 2} {
				require.ErrorIs(t, errs[rank], engine.ErrMismatch)
				require.ErrorContains(t, errs[rank], "rank 1 passed invalid arguments")
			}
			require.NoError(t, bystander.check(func(i int) scalar { return input(dtype.Float32, engine.Sum, 0, i) }), "untouched")
		})
	}
	w.must(t, func(rank int, c *engine.Comm) error {
		return reduceInPlace(c, layoutNamed("steps").place(t, dtype.Float32, []int64{9, 9}), engine.Sum)
	})
}

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]engine.Config{
		"Size":       {Size: 0},
		"Rank":       {Size: 2, Rank: 2},
		"Timeout":    {Size: 1, Timeout: -1},
		"ChunkBytes": {Size: 1, ChunkBytes: 100},
		"Transport":  {Size: 1, Transport: "pigeon"},
		"Algorithm":  {Size: 1, Algorithm: "magic"},
	} {
		_, err := engine.Init(background, cfg)
		var argument *engine.ArgumentError
		require.ErrorAs(t, err, &argument, name)
		require.Equal(t, name, argument.Argument)
	}
	_, err := engine.NewLocal(0, engine.Config{})
	require.ErrorIs(t, err, engine.ErrInvalidArgument)
}

// TestBroadcastMismatch: the rank that disagrees keeps its buffer; every rank
// errs in this call or its next, and the communicator says that it is broken.
func TestBroadcastMismatch(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			for size := 2; size <= 5; size++ {
				for odd := range size {
					for root := range size {
						w := newWorld(t, size, engine.Config{ChunkBytes: smallChunk})
						buffers := make([]placed, size)
						first := w.each(t, func(rank int, c *engine.Comm) error {
							shape := []int64{20, 30}
							if rank == odd {
								shape = []int64{30, 20}
							}
							buffers[rank] = layoutNamed("slice").place(t, dtype.Float32, shape)
							buffers[rank].fill(func(i int) scalar { return input(dtype.Float32, engine.Sum, rank, i) })
							return c.Broadcast(background, buffers[rank].tensor, buffers[rank].tensor, root)
						})
						second := w.each(t, func(rank int, c *engine.Comm) error {
							if first[rank] != nil {
								return nil
							}
							one := strided.Of(make([]float32, 1))
							return c.AllReduce(background, one, one, engine.Sum)
						})
						for rank := range size {
							require.ErrorIs(t, errors.Join(first[rank], second[rank]), engine.ErrMismatch, "size %d odd %d root %d rank %d", size, odd, root, rank)
						}
						require.NoError(t, buffers[odd].check(func(i int) scalar { return input(dtype.Float32, engine.Sum, odd, i) }))
						w.must(t, func(_ int, c *engine.Comm) error { return c.Close() })
					}
				}
			}
		})
	}
}

// TestRootMismatch: ranks that disagree on the root may never meet in the
// broadcast itself. Every rank errs in it or in its next call all the same.
func TestRootMismatch(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			for size := 2; size <= 4; size++ {
				for odd := range size {
					t.Run(fmt.Sprintf("np=%d/odd=%d", size, odd), func(t *testing.T) {
						t.Parallel()
						w := newWorld(t, size, engine.Config{})
						errs := w.each(t, func(rank int, c *engine.Comm) error {
							x := strided.Of(make([]float32, 100))
							root := 0
							if rank == odd {
								root = size - 1
							}
							if err := c.Broadcast(background, x, x, root); err != nil {
								return err
							}
							return c.AllReduce(background, x, x, engine.Sum)
						})
						for rank, err := range errs {
							var mismatch *engine.MismatchError
							require.ErrorAs(t, err, &mismatch, "rank %d", rank)
							require.ErrorIs(t, err, engine.ErrMismatch)
							require.EqualValues(t, 0, mismatch.Seq)
						}
					})
				}
			}
		})
	}
}

// TestSlowRank: a rank that comes late by more than it takes others to wonder.
func TestSlowRank(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 3, engine.Config{})
			w.must(t, func(rank int, c *engine.Comm) error {
				if rank == 1 {
					time.Sleep(2500 * time.Millisecond)
				}
				return errors.Join(
					reduceInPlace(c, layoutNamed("slice").place(t, dtype.Float32, []int64{33, 9}), engine.Sum),
					broadcastInPlace(c, layoutNamed("slice").place(t, dtype.Float32, []int64{33, 9}), 1))
			})
		})
	}
}

// TestDifferentCollectives has ranks call different things altogether.
func TestDifferentCollectives(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			for root := range 3 {
				w := newWorld(t, 3, engine.Config{})
				x := func() strided.Tensor { return strided.Of(make([]float32, 100000)).Reshape(100, 1000) }
				errs := w.each(t, func(rank int, c *engine.Comm) error {
					if rank == 1 {
						return errors.Join(c.Broadcast(background, x(), x(), root), c.AllReduce(background, x(), x(), engine.Sum))
					}
					return errors.Join(c.AllReduce(background, x(), x(), engine.Sum), c.Broadcast(background, x(), x(), root))
				})
				for rank, err := range errs {
					require.ErrorIs(t, err, engine.ErrMismatch, "rank %d", rank)
				}
			}
		})
	}
}

// TestCancel: the end of one rank's context ends the call on all ranks, and
// the communicator with it.
func TestCancel(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3, engine.Config{})
			cause := errors.New("the user has had enough")
			ctx, cancel := context.WithCancelCause(background)
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				x := strided.Of(make([]float32, 1000))
				switch rank {
				case 0: // waits for rank 2, which never comes
					time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
					return c.AllReduce(ctx, x, x, engine.Sum)
				case 1:
					return c.AllReduce(background, x, x, engine.Sum)
				}
				return nil
			})
			require.ErrorIs(t, errs[0], cause)
			for _, rank := range []int{0, 1} {
				var re *engine.RankError
				require.ErrorAs(t, errs[rank], &re)
				require.Equal(t, 0, re.Rank, "the rank that gave up")
				require.ErrorIs(t, errs[rank], engine.ErrAborted)
				require.Equal(t, engine.RemoteError, engine.ResultOf(errs[rank]))
			}
			late := w.each(t, func(rank int, c *engine.Comm) error {
				// Rank 2 may have all that it needs for the interrupted call, and so
				// finish it, until it hears of the failure.
				for c.Err() == nil {
					time.Sleep(time.Millisecond)
				}
				x := strided.Of(make([]float32, 1000))
				return c.AllReduce(background, x, x, engine.Sum)
			})
			for _, err := range late {
				require.ErrorIs(t, err, engine.ErrAborted, "a failed communicator stays failed")
			}
		})
	}
}

func TestEndedContextStartsNothing(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	ctx, cancel := context.WithCancel(background)
	cancel()
	x := strided.Of(make([]float32, 10))
	require.ErrorIs(t, w[0].AllReduce(ctx, x, x, engine.Sum), context.Canceled)
	w.must(t, func(rank int, c *engine.Comm) error {
		return reduceInPlace(c, layoutNamed("column").place(t, dtype.Float32, []int64{5}), engine.Sum)
	})
}

// TestTimeout: a rank that never calls is named.
func TestTimeout(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 4, engine.Config{Timeout: 50 * time.Millisecond})
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				if rank == 2 {
					return nil
				}
				x := strided.Of(make([]float32, 1000))
				return c.AllReduce(background, x, x, engine.Sum)
			})
			for rank, err := range errs {
				if rank == 2 {
					continue
				}
				var re *engine.RankError
				require.ErrorAs(t, err, &re)
				require.Equal(t, 2, re.Rank)
				require.ErrorIs(t, err, engine.ErrTimeout)
				require.ErrorContains(t, err, "rank 2 had not called it")
				require.Equal(t, engine.Timeout, engine.ResultOf(err))
			}
		})
	}
}

// TestClose: later calls fail, a call in progress ends, and what was sent
// before arrives.
func TestClose(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2, engine.Config{})
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				p := layoutNamed("reverse").place(t, dtype.Float32, []int64{50000})
				if rank == 1 {
					time.Sleep(20 * time.Millisecond)
				}
				if err := broadcastInPlace(c, p, 0); err != nil {
					return err
				}
				return c.Close()
			})
			require.NoError(t, errors.Join(errs...))
			for _, c := range w {
				x := strided.Of(make([]float32, 1))
				require.ErrorIs(t, c.AllReduce(background, x, x, engine.Sum), engine.ErrClosed)
				require.ErrorIs(t, c.Err(), engine.ErrClosed)
				require.NoError(t, c.Close(), "again")
			}

			w = newWorld(t, 2, engine.Config{})
			time.AfterFunc(20*time.Millisecond, func() { _ = w[0].Close() })
			x := strided.Of(make([]float32, 1))
			require.ErrorIs(t, w[0].AllReduce(background, x, x, engine.Sum), engine.ErrClosed)
		})
	}
}

func TestResultsEqualNCCL(t *testing.T) {
	// As in nccl.h.
	for result, value := range map[engine.Result]int{
		engine.Success: 0, engine.UnhandledCudaError: 1, engine.SystemError: 2, engine.InternalError: 3,
		engine.InvalidArgument: 4, engine.InvalidUsage: 5, engine.RemoteError: 6, engine.InProgress: 7, engine.Timeout: 8,
	} {
		require.EqualValues(t, value, result)
	}
	require.Equal(t, engine.Success, engine.ResultOf(nil))
	require.Equal(t, engine.Timeout, engine.ResultOf(fmt.Errorf("wrapped: %w", engine.ErrTimeout)))
	require.Equal(t, engine.InvalidUsage, engine.ResultOf(engine.ErrMismatch))
	require.Equal(t, engine.InternalError, engine.ResultOf(errors.New("anything else")))
}

// TestCoordinatorClosesEarly: rank 0 is done and gone before rank 1 finds that
// they disagree. Rank 1 still gets an error, in bounded time.
func TestCoordinatorClosesEarly(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for size := 2; size <= 3; size++ {
				for range 10 {
					w := newWorld(t, size, engine.Config{})
					errs := w.each(t, func(rank int, c *engine.Comm) error {
						x := strided.Of(make([]float32, 10))
						if rank > 0 {
							return c.AllReduce(background, x, x, engine.Sum)
						}
						if err := c.Broadcast(background, x, x, 0); err != nil {
							return err
						}
						return c.Close()
					})
					for rank, err := range errs[1:] {
						require.Error(t, err, "rank %d", rank+1)
					}
				}
			}
		})
	}
}
