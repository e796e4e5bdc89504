package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// letter is a message of a test: who sends what to whom.
type letter struct {
	from, to int
	dt       strided.DType
	shape    []int64
	number   int // tells its values from those of others
}

func (l letter) value(i int) scalar { return input(l.dt, engine.Max, 100*l.from+l.number, i) }

// randomLetters are messages of the world in the order in which they are sent, from
// empty ones to several chunks.
func randomLetters(rng *rand.Rand, size, most, chunk int) []letter {
	letters := make([]letter, rng.IntN(most))
	for i := range letters {
		dt := dtype.All()[rng.IntN(len(dtype.All()))]
		shapes := shapesFor(int64(chunk / dt.Size()))
		letters[i] = letter{rng.IntN(size), rng.IntN(size), dt, shapes[rng.IntN(len(shapes))], i}
		if rng.IntN(2) == 0 {
			letters[i].shape = []int64{rng.Int64N(5)}
		}
	}
	return letters
}

// TestGroupOfMessages: messages in groups arrive whatever the order of calls, short and
// long ones, to oneself and to others, in any layout.
func TestGroupOfMessages(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{1, 2, 3, 4, 5, 7, 8} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				rng := seeded(t)
				w := newWorld(t, size, engine.Config{ChunkBytes: smallChunk})
				large := newWorld(t, size, engine.Config{ChunkBytes: 16 << 10})
				rounds := 30 / size
				if raceDetector {
					rounds = 2
				}
				for round := range rounds {
					letters := randomLetters(rng, size, 12*size, smallChunk)
					seed := rng.Uint64()
					worlds := []world{w}
					if round%5 == 0 {
						letters = append(letters, letter{0, size - 1, dtype.Float32, []int64{3, 7001}, 99}, letter{size - 1, 0, dtype.Int8, []int64{90001}, 98})
						worlds = append(worlds, large)
					}
					for _, w := range worlds {
						w.must(t, func(rank int, c *engine.Comm) error {
							return exchangeLetters(forRank(t, rank), c, letters, rand.New(rand.NewPCG(seed, uint64(rank))))
						})
					}
				}
			})
		}
	}
}

// exchangeLetters is a rank's part: sends and receives in a random order that keeps
// those of each pair, in one group.
func exchangeLetters(t testing.TB, c *engine.Comm, letters []letter, rng *rand.Rand) error {
	type end struct {
		letter
		placed
	}
	var sends, recvs []end
	for _, l := range letters {
		if l.from == c.Rank() {
			p := layouts[rng.IntN(len(layouts))].place(t, l.dt, l.shape)
			p.fill(l.value)
			sends = append(sends, end{l, p})
		}
		if l.to == c.Rank() {
			recvs = append(recvs, end{l, layouts[rng.IntN(len(layouts))].place(t, l.dt, l.shape)})
		}
	}
	toSend, toReceive := sends, recvs
	err := c.Group(background, func(g *engine.Group) error {
		for len(toSend)+len(toReceive) > 0 {
			var err error
			if len(toReceive) == 0 || len(toSend) > 0 && rng.IntN(2) == 0 {
				err = g.Send(toSend[0].tensor, toSend[0].to)
				toSend = toSend[1:]
			} else {
				err = g.Recv(toReceive[0].tensor, toReceive[0].from)
				toReceive = toReceive[1:]
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, e := range append(sends, recvs...) {
		err = errors.Join(err, e.check(e.value))
	}
	return err
}

// TestMessagesOneByOne: what one side sends in a group the other may receive in single
// calls, and collectives in between do not meet messages.
func TestMessagesOneByOne(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3, engine.Config{ChunkBytes: 1 << 10})
			x := func(n int, from float32) []float32 {
				v := make([]float32, n)
				for i := range v {
					v[i] = from + float32(i)
				}
				return v
			}
			sizes := []int{3, 0, 1000, 5, 5, 2500, 1}
			w.must(t, func(rank int, c *engine.Comm) error {
				switch rank {
				case 0:
					err := c.Group(background, func(g *engine.Group) error {
						for i, n := range sizes {
							if err := g.Send(strided.Of(x(n, float32(i))), 2); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						return err
					}
				case 2:
					for i, n := range sizes[:4] {
						got := x(n, 77)
						if err := c.Recv(background, strided.Of(got), 0); err != nil {
							return err
						}
						require.Equal(t, x(n, float32(i)), got)
					}
					rest := sizes[4:]
					got := [][]float32{x(rest[0], 0), x(rest[1], 0), x(rest[2], 0)}
					var works []*engine.Work
					for i := range rest {
						work, err := c.StartRecv(background, strided.Of(got[i]), 0)
						if err != nil {
							return err
						}
						works = append(works, work)
					}
					for i, work := range works {
						if err := work.Wait(background); err != nil {
							return err
						}
						require.Equal(t, x(rest[i], float32(4+i)), got[i])
					}
				}
				sum := x(5, float32(rank))
				if err := c.AllReduce(background, strided.Of(sum), strided.Of(sum), engine.Sum); err != nil {
					return err
				}
				require.Equal(t, []float32{3, 6, 9, 12, 15}, sum)
				if rank == 1 {
					return c.Send(background, strided.Of(x(4, 9)), 0)
				}
				if rank == 0 {
					got := x(4, 0)
					if err := c.Recv(background, strided.Of(got), 1); err != nil {
						return err
					}
					require.Equal(t, x(4, 9), got)
				}
				return nil
			})
		})
	}
}

// TestGroupOfCollectives: messages and collectives of a group, on two communicators of
// which ranks make use in different orders.
func TestGroupOfCollectives(t *testing.T) {
	a, b := localWorld(t, 3, engine.Config{ChunkBytes: smallChunk}), localWorld(t, 3, engine.Config{ChunkBytes: smallChunk})
	a.must(t, func(rank int, _ *engine.Comm) error {
		sum, all := []int32{int32(rank), 1}, make([]int32, 6)
		cast, swap, got := []int64{int64(rank)}, make([]int32, 2000), make([]int32, 2000)
		for i := range swap {
			swap[i] = int32(rank*10000 + i)
		}
		err := engine.RunGroup(background, func(on func(*engine.Comm) *engine.Group) error {
			first := func() error {
				return errors.Join(
					on(a[rank]).AllReduce(strided.Of(sum), strided.Of(sum), engine.Sum),
					on(a[rank]).AllGather(strided.Of(all), strided.Of([]int32{int32(rank), 7})),
				)
			}
			second := func() error {
				return errors.Join(
					on(b[rank]).Broadcast(strided.Of(cast), strided.Of(cast), 2),
					on(b[rank]).Send(strided.Of(swap), (rank+1)%3),
					on(b[rank]).Recv(strided.Of(got), (rank+2)%3),
					on(b[rank]).Barrier(),
				)
			}
			if rank == 1 {
				return errors.Join(second(), first())
			}
			return errors.Join(first(), second())
		})
		require.Equal(t, []int32{3, 3}, sum)
		require.Equal(t, []int32{0, 7, 1, 7, 2, 7}, all)
		require.Equal(t, []int64{2}, cast)
		require.Equal(t, int32((rank+2)%3*10000+1999), got[1999])
		return err
	})
}

// TestGroupOfOneGoroutine: several ranks of a communicator may be in one group.
func TestGroupOfOneGoroutine(t *testing.T) {
	w := localWorld(t, 3, engine.Config{})
	x := [][]float64{{1, 2}, {10, 20}, {100, 200}}
	require.NoError(t, engine.RunGroup(background, func(on func(*engine.Comm) *engine.Group) error {
		for rank, c := range w {
			if err := on(c).AllReduce(strided.Of(x[rank]), strided.Of(x[rank]), engine.Sum); err != nil {
				return err
			}
		}
		return nil
	}))
	require.Equal(t, [][]float64{{111, 222}, {111, 222}, {111, 222}}, x)
}

func TestGroupErrors(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	x := strided.Of(make([]float32, 4))
	mine := errors.New("mine")
	errs := w.each(t, func(rank int, c *engine.Comm) error {
		if err := c.Group(background, func(g *engine.Group) error {
			if err := g.AllReduce(x, x, engine.Sum); err != nil {
				return err
			}
			return mine
		}); !errors.Is(err, mine) {
			return fmt.Errorf("got %w", err)
		}
		return c.Group(background, func(g *engine.Group) error {
			if rank == 0 {
				_ = g.AllReduce(x, x, engine.Op(99))
			} else {
				_ = g.AllReduce(x, x, engine.Sum)
			}
			return g.Barrier()
		})
	})
	var argument *engine.ArgumentError
	require.ErrorAs(t, errs[0], &argument)
	require.Equal(t, "op", argument.Argument)
	require.ErrorIs(t, errs[1], engine.ErrMismatch)
	for name, call := range map[string]func(c *engine.Comm) error{
		"src":  func(c *engine.Comm) error { return c.Send(background, strided.Tensor{}, 1) },
		"dst":  func(c *engine.Comm) error { return c.Recv(background, strided.FromDevice(dtype.Int8, 4096, 8), 1) },
		"peer": func(c *engine.Comm) error { return c.Send(background, x, 0) },
	} {
		require.ErrorAs(t, call(w[0]), &argument)
		require.Equal(t, name, argument.Argument)
	}
	err := w[0].Group(background, func(g *engine.Group) error { return g.Send(x, 0) })
	require.ErrorAs(t, err, &argument, "nothing receives it")
	w.must(t, func(_ int, c *engine.Comm) error { return c.Barrier(background) })
}

// TestMessagesThatDoNotFit: the communicator fails on all ranks, and says who sent what.
func TestMessagesThatDoNotFit(t *testing.T) {
	for name, newWorld := range worlds {
		for _, grouped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/grouped=%v", name, grouped), func(t *testing.T) {
				w := newWorld(t, 3, engine.Config{})
				errs := w.each(t, func(rank int, c *engine.Comm) error {
					count := 5
					if rank == 0 {
						count = 6
					}
					x := strided.Of(make([]int32, count))
					switch {
					case rank == 2:
						return c.Barrier(background)
					case rank == 1 && !grouped:
						return errors.Join(c.Send(background, x, 0), c.Barrier(background))
					case rank == 1:
						return errors.Join(c.Group(background, func(g *engine.Group) error { return errors.Join(g.Send(x, 0), g.Send(x, 0)) }), c.Barrier(background))
					}
					return c.Recv(background, x, 1)
				})
				for rank, err := range errs {
					require.ErrorIs(t, err, engine.ErrMismatch, "rank %d", rank)
					require.ErrorContains(t, err, "message 0 has 5 elements of int32 where 6 of int32 are to be received")
				}
			})
		}
	}
}

// TestMessagesEnd: a wait for a message ends with its context, with the timeout, and
// with Close.
func TestMessagesEnd(t *testing.T) {
	x, y := strided.Of(make([]float32, 4)), strided.Of(make([]float32, 4))
	t.Run("context", func(t *testing.T) {
		w := localWorld(t, 2, engine.Config{})
		ctx, cancel := context.WithCancel(background)
		errs := w.each(t, func(rank int, c *engine.Comm) error {
			if rank == 0 {
				time.AfterFunc(5*time.Millisecond, cancel)
				return c.Recv(ctx, x, 1)
			}
			return c.Recv(background, x, 0)
		})
		require.ErrorIs(t, errs[0], context.Canceled)
		require.ErrorIs(t, errs[0], engine.ErrAborted)
		require.ErrorIs(t, errs[1], engine.ErrAborted)
	})
	t.Run("timeout", func(t *testing.T) {
		w := localWorld(t, 3, engine.Config{Timeout: 50 * time.Millisecond})
		for _, err := range w.each(t, func(rank int, c *engine.Comm) error {
			if rank == 0 {
				return c.Group(background, func(g *engine.Group) error { return errors.Join(g.Recv(x, 1), g.Recv(y, 2)) })
			}
			return c.Recv(background, x, 0)
		}) {
			require.ErrorIs(t, err, engine.ErrTimeout)
		}
	})
	t.Run("close", func(t *testing.T) {
		w := localWorld(t, 2, engine.Config{})
		done := make(chan error)
		go func() { done <- w[0].Recv(background, x, 1) }()
		time.Sleep(5 * time.Millisecond)
		_ = w[0].Close()
		require.ErrorIs(t, <-done, engine.ErrClosed)
	})
}
