package measure

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/bench/internal/report"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// each runs f on every rank of a communicator of goroutines, wrapped by wrap.
func each(t *testing.T, ranks int, wrap func(Comm) Comm, f func(c Comm) error) {
	t.Helper()
	comms, err := engine.NewLocal(ranks, engine.Config{})
	require.NoError(t, err)
	errs := make([]error, ranks)
	var wg sync.WaitGroup
	for rank, comm := range comms {
		wg.Go(func() {
			errs[rank] = f(wrap(comm))
		})
	}
	wg.Wait()
	for rank, err := range errs {
		require.NoError(t, err, "rank %d", rank)
		require.NoError(t, comms[rank].Close())
	}
}

func plain(c Comm) Comm { return c }

// testCase is every operator and root on every type, for mixed layouts, and on
// one type of each size for the others.
func testCase(collective cli.Collective, layout layouts.Name) cli.Case {
	c := cli.Case{
		Collective: collective, Layout: layout, Mode: cli.Both,
		Ops: oracle.Ops(), DTypes: dtype.All(), Root: cli.AllRoots,
	}
	if layout != layouts.Mixed {
		c.DTypes = []dtype.DType{dtype.Int8, dtype.BFloat16, dtype.Float32, dtype.Int64}
	}
	return c
}

func flatten(lines []Line) []Call {
	var calls []Call
	for _, l := range lines {
		calls = append(calls, l.Calls()...)
	}
	return calls
}

func TestEverythingIsVerified(t *testing.T) {
	sweep := cli.Sweep{Min: 0, Max: 2048, Factor: 16}
	for _, collective := range cli.Collectives() {
		for _, layout := range layouts.Names() {
			for _, ranks := range []int{1, 3} {
				if collective == cli.Hypercube && ranks == 3 {
					ranks = 4
				}
				t.Run(fmt.Sprint(collective, "/", layout, "/", ranks), func(t *testing.T) {
					each(t, ranks, plain, func(c Comm) error {
						calls := flatten(Lines(testCase(collective, layout), sweep, ranks))
						buffers, err := Allocate(c.Rank(), c.Size(), calls, nil)
						if err != nil {
							return err
						}
						r := &Runner{Comm: c, Buffers: buffers}
						for _, call := range calls {
							wrong, err := r.Verify(t.Context(), call, 1)
							if err != nil || wrong != 0 {
								return fmt.Errorf("%+v: %d wrong, %w", call, wrong, err)
							}
						}
						return nil
					})
				})
			}
		}
	}
}

// spoiler makes mistakes that a collective could make.
type spoiler struct {
	Comm
	spoil func(c Comm, dst, src strided.Tensor)
}

func (s spoiler) AllReduce(ctx context.Context, dst, src strided.Tensor, op strided.Op) error {
	err := s.Comm.AllReduce(ctx, dst, src, op)
	if dst.Count() > 8 { // leave the exchange between the ranks alone
		s.spoil(s.Comm, dst, src)
	}
	return err
}

// at is the byte of storage element i of a tensor over FromBytes.
func flip(t strided.Tensor, i int64) {
	whole := t.AsStrided([]int64{1}, []int64{1}, i)
	if whole.Err() != nil {
		panic(whole.Err())
	}
	v, err := whole.View(strided.Logical)
	if err != nil {
		panic(err)
	}
	slot := make([]byte, t.DType().Size())
	v.Pack(slot, 0, 1)
	slot[0] ^= 1
	v.Unpack(slot, 0, 1)
}

func TestMistakesAreSeenByEveryRank(t *testing.T) {
	for _, tc := range []struct {
		name    string
		layout  layouts.Name
		inPlace bool
		want    int64
		spoil   func(c Comm, dst, src strided.Tensor)
	}{
		{"a wrong element on one rank", layouts.Transpose, true, 1, func(c Comm, dst, src strided.Tensor) {
			if c.Rank() == 1 {
				flip(dst, dst.Layout().Offset())
			}
		}},
		{"a wrong element on each rank", layouts.Transpose, false, 3, func(c Comm, dst, src strided.Tensor) {
			flip(dst, dst.Layout().Offset())
		}},
		{"a gap written", layouts.Column, true, 3, func(c Comm, dst, src strided.Tensor) {
			flip(dst, dst.Layout().Offset()+1)
		}},
		{"written before the tensor", layouts.Contiguous, true, 3, func(c Comm, dst, src strided.Tensor) {
			flip(dst, dst.Layout().Offset()-1)
		}},
		{"written after the tensor", layouts.Contiguous, false, 3, func(c Comm, dst, src strided.Tensor) {
			flip(dst, dst.Layout().End())
		}},
		{"the source changed", layouts.Reverse, false, 3, func(c Comm, dst, src strided.Tensor) {
			flip(src, src.Layout().Offset())
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			each(t, 3, func(c Comm) Comm { return spoiler{c, tc.spoil} }, func(c Comm) error {
				call := Call{Collective: cli.AllReduce, Layout: tc.layout, DType: dtype.Int32, Op: dtype.Sum, Count: 100, InPlace: tc.inPlace}
				buffers, err := Allocate(c.Rank(), c.Size(), []Call{call}, nil)
				if err != nil {
					return err
				}
				r := &Runner{Comm: c, Buffers: buffers}
				wrong, err := r.Verify(t.Context(), call, 3)
				if wrong != tc.want {
					return fmt.Errorf("%d wrong instead of %d, %w", wrong, tc.want, err)
				}
				return err
			})
		})
	}
}

// lazy never does a call.
type lazy struct{ Comm }

func (l lazy) AllReduce(ctx context.Context, dst, src strided.Tensor, op strided.Op) error {
	if dst.Count() > 8 {
		return nil
	}
	return l.Comm.AllReduce(ctx, dst, src, op)
}

func TestDoingNothingIsWrong(t *testing.T) {
	for _, op := range oracle.Ops() {
		for _, dt := range dtype.All() {
			for _, inPlace := range []bool{false, true} {
				each(t, 2, func(c Comm) Comm { return lazy{c} }, func(c Comm) error {
					call := Call{Collective: cli.AllReduce, Layout: layouts.Contiguous, DType: dt, Op: op, Count: 1000, InPlace: inPlace}
					buffers, err := Allocate(c.Rank(), c.Size(), []Call{call}, nil)
					if err != nil {
						return err
					}
					wrong, err := (&Runner{Comm: c, Buffers: buffers}).Verify(t.Context(), call, 1)
					if wrong < 500 {
						return fmt.Errorf("%v %v: %d wrong, %w", op, dt, wrong, err)
					}
					return err
				})
			}
		}
	}
}

func TestNoChecksMeansUnchecked(t *testing.T) {
	wrong, err := new(Runner).Verify(t.Context(), Call{}, 0)
	require.NoError(t, err)
	require.EqualValues(t, report.Unchecked, wrong)
}

// counter counts the calls that are measured.
type counter struct {
	Comm
	calls *int
}

func (c counter) Broadcast(ctx context.Context, dst, src strided.Tensor, root int) error {
	*c.calls++
	return c.Comm.Broadcast(ctx, dst, src, root)
}

func TestTime(t *testing.T) {
	var calls [4]int
	each(t, 4, func(c Comm) Comm { return counter{c, &calls[c.Rank()]} }, func(c Comm) error {
		call := Call{Collective: cli.Broadcast, Layout: layouts.Mixed, DType: dtype.Float16, Root: 2, Count: 1 << 12}
		buffers, err := Allocate(c.Rank(), c.Size(), []Call{call}, nil)
		if err != nil {
			return err
		}
		seconds, err := (&Runner{Comm: c, Buffers: buffers}).Time(t.Context(), call, 3, 10)
		if err == nil && seconds <= 0 {
			err = fmt.Errorf("took %g s", seconds)
		}
		return err
	})
	require.Equal(t, [4]int{13, 13, 13, 13}, calls)
}

func TestExchange(t *testing.T) {
	each(t, 3, plain, func(c Comm) error {
		ctx := t.Context()
		sum, err := Sum(ctx, c, int64(c.Rank()+1))
		if err != nil || sum != 6 {
			return fmt.Errorf("sum %d, %w", sum, err)
		}
		most, err := Max(ctx, c, -float64(c.Rank()))
		if err != nil || most != 0 {
			return fmt.Errorf("max %g, %w", most, err)
		}
		parts, err := Gather(ctx, c, []byte{byte(c.Rank()), 0xff})
		if err != nil || fmt.Sprint(parts) != "[[0 255] [1 255] [2 255]]" {
			return fmt.Errorf("gathered %v, %w", parts, err)
		}
		shared := []byte{byte(c.Rank()) + 7}
		if err := Share(ctx, c, shared); err != nil || shared[0] != 7 {
			return fmt.Errorf("shared %v, %w", shared, err)
		}
		return Barrier(ctx, c)
	})
}

func TestLines(t *testing.T) {
	c := cli.Case{
		Collective: cli.Broadcast, Layout: layouts.Slice, Mode: cli.Both, Root: cli.AllRoots,
		Ops: dtype.Ops(), DTypes: []dtype.DType{dtype.Int8, dtype.Float64},
	}
	lines := Lines(c, cli.Sweep{Min: 8, Max: 64, Factor: 8}, 3)
	require.Len(t, lines, 2*3*2)
	require.Equal(t, Call{Collective: cli.Broadcast, Layout: layouts.Slice, DType: dtype.Int8, Root: 0, Count: 8}, *lines[0].OutOfPlace)
	require.Equal(t, Call{Collective: cli.Broadcast, Layout: layouts.Slice, DType: dtype.Float64, Root: 2, Count: 8, InPlace: true}, *lines[11].InPlace)
	require.Equal(t, "none", lines[0].OutOfPlace.OpName())
	require.Equal(t, 2, lines[11].InPlace.RootOrNone())
	require.EqualValues(t, 64, lines[11].InPlace.Bytes())

	c.Collective, c.Mode = cli.AllReduce, cli.InPlace
	lines = Lines(c, cli.Sweep{Min: 8, Max: 8, Factor: 1, Step: 1}, 3)
	require.Len(t, lines, 2*5)
	require.Nil(t, lines[0].OutOfPlace)
	require.Len(t, lines[0].Calls(), 1)
	require.Equal(t, "avg", lines[9].InPlace.OpName())
	require.Equal(t, -1, lines[9].InPlace.RootOrNone())
	require.Equal(t, 1.5, lines[9].InPlace.BusFactor(4))
}

// The numbers in the table are nccl-tests': messages of whole blocks, a block's count.
func TestNumbersOfBlocks(t *testing.T) {
	for collective, factor := range map[cli.Collective]float64{
		cli.AllReduce: 1.5, cli.AllGather: 0.75, cli.AllToAll: 0.75, cli.Broadcast: 1, cli.Gather: 0.75, cli.Hypercube: 1,
		cli.Reduce: 1, cli.ReduceScatter: 0.75, cli.Scatter: 0.75, cli.SendRecv: 1,
	} {
		lines := Lines(cli.Case{Collective: collective, Mode: cli.Both, Ops: []dtype.Op{dtype.Sum}, DTypes: []dtype.DType{dtype.Float32}},
			cli.Sweep{Min: 44, Max: 44, Factor: 1, Step: 1}, 4)
		require.Len(t, lines, 1)
		call := *lines[0].OutOfPlace
		require.Equal(t, factor, call.BusFactor(4), collective)
		bytes, count := int64(44), int64(11)
		if collective.InBlocks() {
			bytes, count = 32, 2
		}
		require.Equal(t, bytes, call.Bytes(), collective)
		moved := bytes
		if collective == cli.Hypercube {
			moved = 24
		}
		require.Equal(t, moved, call.Moved(4), collective)
		require.Equal(t, count, call.PerRank(4), collective)
		require.Equal(t, collective == cli.SendRecv, lines[0].InPlace == nil, collective)
	}
}

// gatherSpoiler lets an all_gather write to a block, or the source, once more.
type gatherSpoiler struct {
	Comm
	spoil func(dst, src strided.Tensor)
}

func (s gatherSpoiler) AllGather(ctx context.Context, dst, src strided.Tensor) error {
	err := s.Comm.AllGather(ctx, dst, src)
	s.spoil(dst, src)
	return err
}

func TestMistakesInBlocksAreSeen(t *testing.T) {
	for name, spoil := range map[string]func(dst, src strided.Tensor){
		"a wrong element of the last block": func(dst, _ strided.Tensor) {
			l := dst.Layout()
			flip(dst, l.Offset()+(l.Size(0)-1)*l.Stride(0))
		},
		"the source changed":     func(_, src strided.Tensor) { flip(src, src.Layout().Offset()) },
		"written after the last": func(dst, _ strided.Tensor) { flip(dst, dst.Layout().End()) },
	} {
		call := Call{Collective: cli.AllGather, Layout: layouts.Contiguous, DType: dtype.Int32, Count: 30, InPlace: false}
		each(t, 3, func(c Comm) Comm { return gatherSpoiler{c, spoil} }, func(c Comm) error {
			buffers, err := Allocate(c.Rank(), c.Size(), []Call{call}, nil)
			if err != nil {
				return err
			}
			wrong, err := (&Runner{Comm: c, Buffers: buffers}).Verify(t.Context(), call, 1)
			if wrong != 3 {
				return fmt.Errorf("%s: %d wrong instead of 3, %w", name, wrong, err)
			}
			return err
		})
	}
}

func TestOnlyTheNeededBuffersAreAllocated(t *testing.T) {
	call := Call{Collective: cli.AllReduce, Layout: layouts.Column, DType: dtype.Float32, Count: 1 << 10, InPlace: true}
	b, err := Allocate(0, 1, []Call{call}, nil)
	require.NoError(t, err)
	require.Nil(t, b.src.host)
	require.Len(t, b.dst.host, 4*(3<<10+128))
	call.InPlace = false
	b, err = Allocate(0, 1, []Call{call, {Layout: layouts.Contiguous, DType: dtype.Float64, Count: 1 << 12, InPlace: true}}, nil)
	require.NoError(t, err)
	require.Len(t, b.src.host, 4*(3<<10+128))
	require.Len(t, b.dst.host, 8*(1<<12+128))
}
