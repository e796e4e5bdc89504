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

// TestMessagesBesideCollectives: the partner of a group that has both makes its calls one
// by one, in either order, with messages that links cannot hold.
func TestMessagesBesideCollectives(t *testing.T) {
	for name, newWorld := range worlds {
		for _, collectiveFirst := range []bool{false, true} {
			for _, sends := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/first=%v/sends=%v", name, collectiveFirst, sends), func(t *testing.T) {
					w := newWorld(t, 2, engine.Config{ChunkBytes: 4096, Timeout: 20 * time.Second})
					big := make([][]int32, 2)
					for i := range big {
						big[i] = make([]int32, 100_000)
					}
					from := 1
					if sends {
						from = 0
					}
					for i := range big[from] {
						big[from][i] = int32(i)
					}
					w.must(t, func(rank int, c *engine.Comm) error {
						x, y := strided.Of([]int64{int64(rank)}), strided.Of(big[rank])
						reduce := func() error { return c.AllReduce(background, x, x, engine.Sum) }
						message := func() error {
							if rank == from {
								return c.Send(background, y, 1-rank)
							}
							return c.Recv(background, y, 1-rank)
						}
						if rank == 1 && collectiveFirst {
							return errors.Join(reduce(), message())
						} else if rank == 1 {
							return errors.Join(message(), reduce())
						}
						return c.Group(background, func(g *engine.Group) error {
							if sends {
								return errors.Join(g.Send(y, 1), g.AllReduce(x, x, engine.Sum))
							}
							return errors.Join(g.AllReduce(x, x, engine.Sum), g.Recv(y, 1))
						})
					})
					require.Equal(t, big[from], big[1-from])
				})
			}
		}
	}
}

// TestMessagesWaitForTheirGroup: messages have their timeout from the end of the
// collectives beside them, on which the other rank may have been busy.
func TestMessagesWaitForTheirGroup(t *testing.T) {
	w := localWorld(t, 2, engine.Config{Timeout: 2 * time.Second})
	w.must(t, func(rank int, c *engine.Comm) error {
		message, cast := strided.Of(make([]int64, 1)), strided.Of(make([]int32, 1))
		if rank == 0 {
			return c.Group(background, func(g *engine.Group) error {
				return errors.Join(g.Recv(message, 1), g.Broadcast(cast, cast, 1))
			})
		}
		time.Sleep(900 * time.Millisecond)
		if err := c.Broadcast(background, cast, cast, 1); err != nil {
			return err
		}
		time.Sleep(1850 * time.Millisecond)
		return c.Send(background, message, 0)
	})
}

// TestErrorsEndMessagesAndCollectives: whichever of a group's makes the communicator fail,
// the others end with it. A disagreement about a collective does not.
func TestErrorsEndMessagesAndCollectives(t *testing.T) {
	x := func(n int) strided.Tensor { return strided.Of(make([]float32, n)) }
	t.Run("a message", func(t *testing.T) {
		w := localWorld(t, 3, engine.Config{})
		errs := w.each(t, func(rank int, c *engine.Comm) error {
			switch rank {
			case 0:
				return c.Group(background, func(g *engine.Group) error { return errors.Join(g.Barrier(), g.Recv(x(4), 1)) })
			case 1:
				return c.Group(background, func(g *engine.Group) error { return errors.Join(g.Barrier(), g.Send(x(5), 0)) })
			}
			return c.Recv(background, x(1), 1) // and never comes to the barrier
		})
		for rank, err := range errs {
			require.ErrorContains(t, err, "message 0 has 5 elements", "rank %d", rank)
		}
	})
	t.Run("a collective", func(t *testing.T) {
		w := localWorld(t, 3, engine.Config{})
		errs := w.each(t, func(rank int, c *engine.Comm) error {
			if rank == 2 {
				ctx, cancel := context.WithTimeout(background, 30*time.Millisecond)
				defer cancel()
				return c.Recv(ctx, x(1), 1)
			}
			return c.Group(background, func(g *engine.Group) error { return errors.Join(g.Barrier(), g.Recv(x(4), 2)) })
		})
		for rank, err := range errs {
			require.ErrorIs(t, err, engine.ErrAborted, "rank %d", rank)
		}
	})
	t.Run("the context", func(t *testing.T) {
		w := localWorld(t, 2, engine.Config{})
		ctx, cancel := context.WithCancel(background)
		errs := w.each(t, func(rank int, c *engine.Comm) error {
			if rank == 1 {
				return c.Recv(background, x(1), 0)
			}
			time.AfterFunc(20*time.Millisecond, cancel)
			return c.Group(ctx, func(g *engine.Group) error { return errors.Join(g.Barrier(), g.Recv(x(4), 1)) })
		})
		require.ErrorIs(t, errs[0], context.Canceled)
		require.ErrorIs(t, errs[0], engine.ErrAborted)
		require.ErrorIs(t, errs[1], engine.ErrAborted)
	})
	t.Run("a disagreement", func(t *testing.T) {
		w := localWorld(t, 2, engine.Config{})
		got := make([]int32, 3)
		errs := w.each(t, func(rank int, c *engine.Comm) error {
			err := c.Group(background, func(g *engine.Group) error {
				if rank == 0 {
					return errors.Join(g.AllReduce(x(2), x(2), engine.Sum), g.Recv(strided.Of(got), 1))
				}
				return errors.Join(g.AllReduce(x(3), x(3), engine.Sum), g.Send(strided.Of([]int32{1, 2, 3}), 0))
			})
			if !errors.Is(err, engine.ErrMismatch) {
				return fmt.Errorf("got %w", err)
			}
			return c.Barrier(background)
		})
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, []int32{1, 2, 3}, got)
	})
}

// TestMessagesFollowCollectives that touch the same memory.
func TestMessagesFollowCollectives(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	w.must(t, func(rank int, c *engine.Comm) error {
		x, got := []int32{int32(rank + 1), 7}, make([]int32, 1)
		err := c.Group(background, func(g *engine.Group) error {
			return errors.Join(g.Send(strided.Of(x[:1]), 1-rank), g.Recv(strided.Of(got), 1-rank),
				g.AllReduce(strided.Of(x), strided.Of(x), engine.Sum))
		})
		if got[0] != 3 {
			return fmt.Errorf("got %v: %w", got, err)
		}
		return err
	})
}

// TestOverlappingMessages: messages of a group go on at the same time, so none may write
// what another one touches.
func TestOverlappingMessages(t *testing.T) {
	const n = 40
	memory := make([]int32, n*n)
	matrix := strided.Of(memory).Reshape(n, n)
	column := func(i int64) strided.Tensor { return matrix.Select(1, i) }
	row := func(i int64) strided.Tensor { return matrix.Select(0, i) }
	wide := strided.FromBytes(dtype.Uint8, make([]byte, 64))
	type message struct {
		sends  bool
		tensor strided.Tensor
		peer   int
	}
	for name, c := range map[string]struct {
		first, second message
		ok            bool
	}{
		"sent and received in place":    {message{true, row(0), 1}, message{false, row(0), 1}, false},
		"received and sent in place":    {message{false, row(0), 1}, message{true, row(0), 2}, false},
		"received twice":                {message{false, row(0), 1}, message{false, row(0), 2}, false},
		"sent twice":                    {message{true, row(0), 1}, message{true, row(0), 2}, true},
		"a row and a column":            {message{true, row(3), 1}, message{false, column(4), 1}, false},
		"two columns":                   {message{true, column(3), 1}, message{false, column(4), 1}, true},
		"two columns, both received":    {message{false, column(3), 1}, message{false, column(4), 1}, true},
		"two rows that meet":            {message{false, matrix.Slice(0, 0, 2), 1}, message{false, matrix.Slice(0, 1, 3), 1}, false},
		"two rows":                      {message{false, matrix.Slice(0, 0, 2), 1}, message{false, matrix.Slice(0, 2, 3), 1}, true},
		"even and odd":                  {message{false, wide.Step(0, 2), 1}, message{false, wide.Slice(0, 1, 64).Step(0, 2), 1}, true},
		"even and every third":          {message{false, wide.Step(0, 2), 1}, message{false, wide.Step(0, 3), 1}, false},
		"nothing":                       {message{false, row(0), 1}, message{false, row(0).Slice(0, 0, 0), 1}, true},
		"to itself in place":            {message{true, row(0), 0}, message{false, row(0), 0}, true},
		"to itself, partly the same":    {message{true, row(0).Slice(0, 0, 20), 0}, message{false, row(0).Slice(0, 1, 21), 0}, false},
		"from itself what another gets": {message{true, row(0), 1}, message{false, row(0), 0}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := localWorld(t, 3, engine.Config{})
			add := func(g *engine.Group, m message) error {
				if m.sends {
					return g.Send(m.tensor, m.peer)
				}
				return g.Recv(m.tensor, m.peer)
			}
			stop := errors.New("nothing is carried out")
			err := w[0].Group(background, func(g *engine.Group) error {
				if err := add(g, c.first); err != nil {
					return err
				}
				if err := add(g, c.second); err != nil {
					return err
				}
				return stop
			})
			if c.ok {
				require.Equal(t, stop, err)
				return
			}
			var argument *engine.ArgumentError
			require.ErrorAs(t, err, &argument)
			require.ErrorIs(t, err, strided.ErrOverlap)
			require.Equal(t, map[bool]string{true: "src", false: "dst"}[c.second.sends], argument.Argument)
		})
	}
}

// TestGroupIsRecorded: the messages of a group are one entry that says what they are,
// beside the collectives.
func TestGroupIsRecorded(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	exchange := func(rank int, c *engine.Comm, more func(g *engine.Group) error) error {
		f := func(n int) strided.Tensor { return strided.Of(make([]float32, n)) }
		return c.Group(background, func(g *engine.Group) error {
			return errors.Join(g.Send(f(1000), 1-rank), g.Send(f(1000), 1-rank), g.Recv(f(1000), 1-rank), g.Recv(f(1000), 1-rank), more(g))
		})
	}
	w.must(t, func(rank int, c *engine.Comm) error {
		one := strided.Of(make([]byte, 5))
		return errors.Join(
			exchange(rank, c, func(g *engine.Group) error { return nil }),
			exchange(rank, c, (*engine.Group).Barrier),
			c.Group(background, func(g *engine.Group) error {
				if rank == 0 {
					return g.Send(one, 1)
				}
				return g.Recv(one, 0)
			}))
	})
	var got []string
	for _, op := range w[0].Flight().Operations {
		require.Equal(t, engine.OperationDone, op.State)
		got = append(got, fmt.Sprint(op.Collective, ": ", op.Call, ": ", op.Bytes))
	}
	const two = "messages: messages: 2 to rank 1 (8000 B), 2 from rank 1 (8000 B): 16000"
	require.ElementsMatch(t, []string{two, two, "barrier: barrier: 0", "send: send uint8 to rank 1 count 5: 5"}, got)
	for _, s := range w[0].Stats().Collectives {
		if s.Collective == "messages" {
			require.Equal(t, [2]uint64{2, 32000}, [2]uint64{s.Calls, s.Bytes})
		}
	}
}

// TestTimeoutNamesMessages: what has not come or gone.
func TestTimeoutNamesMessages(t *testing.T) {
	w := localWorld(t, 4, engine.Config{Timeout: 50 * time.Millisecond, ChunkBytes: 4096})
	f := func(n int) strided.Tensor { return strided.Of(make([]float32, n)) }
	errs := w.each(t, func(rank int, c *engine.Comm) error {
		if rank == 1 {
			return c.Send(background, f(7), 0)
		} else if rank > 1 {
			return nil
		}
		return c.Group(background, func(g *engine.Group) error {
			return errors.Join(g.Recv(f(7), 1), g.Recv(f(8), 2), g.Recv(f(9), 2), g.Send(f(1<<20), 3), g.Send(f(5), 2))
		})
	})
	require.ErrorIs(t, errs[0], engine.ErrTimeout)
	require.ErrorContains(t, errs[0], "waiting for the other end of a recv of 8 float from rank 2 and 1 more, the other end of a send of 1048576 float to rank 3)")
	w = localWorld(t, 2, engine.Config{Timeout: 50 * time.Millisecond})
	require.ErrorContains(t, w[0].Recv(background, f(3), 1), "waiting for the other end of a recv of 3 float from rank 1)")
}

// TestMessagesToItselfBesideCollectives: both need memory to put strided elements in order.
func TestMessagesToItselfBesideCollectives(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	w.must(t, func(rank int, c *engine.Comm) error {
		const n = 3000
		x, from, to := make([]int32, 2*n), make([]int32, 2*n), make([]int32, 2*n)
		every := func(x []int32) strided.Tensor { return strided.Of(x).Step(0, 2) }
		for round := range int32(100) {
			for i := range int32(n) {
				x[2*i], from[2*i] = i+round, 7*i+round
			}
			err := c.Group(background, func(g *engine.Group) error {
				return errors.Join(g.AllReduce(every(x), every(x), engine.Sum),
					g.Send(every(from), rank), g.Recv(every(to).Reshape(n/10, 10), rank))
			})
			if err != nil {
				return err
			}
			for i := range int32(n) {
				if x[2*i] != 2*(i+round) || to[2*i] != 7*i+round {
					return fmt.Errorf("round %d, element %d: %d and %d", round, i, x[2*i], to[2*i])
				}
			}
		}
		return nil
	})
}
