package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// factorOn is what a rank multiplies by: 1, 2, -1 and 0 in turns, and for types without
// a sign 1, 2, 3 and 0.
func factorOn(dt strided.DType, rank int) int64 {
	if dt == dtype.Uint8 || dt == dtype.Uint32 || dt == dtype.Uint64 {
		return []int64{1, 2, 3, 0}[rank%4]
	}
	return []int64{1, 2, -1, 0}[rank%4]
}

// inputOf is small enough for every partial sum to be exact in every type.
func inputOf(dt strided.DType, rank, i int) scalar { return input(dt, engine.Sum, rank, i) }

// TestPreMulSum: every rank has a factor of its own, in all collectives that reduce, by
// every algorithm, for every type, in any layout.
func TestPreMulSum(t *testing.T) {
	types := dtype.All()
	for name, newWorld := range worlds {
		for _, size := range []int{1, 2, 3, 4, 5} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				rng := seeded(t)
				for k, cfg := range []engine.Config{{ChunkBytes: smallChunk}, {ChunkBytes: 4096, HopBytes: 1 << 20}, {ChunkBytes: smallChunk, Algorithm: "doubling"}} {
					w := newWorld(t, size, cfg)
					for i := range 4 { // each type in one of the three worlds, which depends on the size
						dt := types[(4*(k+size)+i)%len(types)]
						shapes := shapesFor(int64(smallChunk / dt.Size()))
						block, l := shapes[rng.IntN(len(shapes))], rng.IntN(len(layouts))
						w.must(t, func(rank int, c *engine.Comm) error {
							return preMulSum(forRank(t, rank), c, dt, block, l)
						})
					}
				}
			})
		}
	}
}

func preMulSum(t testing.TB, c *engine.Comm, dt strided.DType, block []int64, l int) error {
	rank, size := c.Rank(), c.Size()
	factor := make([]byte, 8)
	scalar{factorOn(dt, rank), float64(factorOn(dt, rank))}.store(dt, factor)
	for range rank { // ranks need not number theirs alike
		if _, err := c.NewPreMulSum(dt, strided.FromBytes(dt, factor[:dt.Size()])); err != nil {
			return err
		}
	}
	op, err := c.NewPreMulSum(dt, strided.FromBytes(dt, factor[:dt.Size()]))
	if err != nil {
		return err
	}
	want := func(i int) scalar {
		var sum scalar
		for from := range size {
			f, v := factorOn(dt, from), inputOf(dt, from, i)
			sum.i += f * v.i
			sum.f += float64(f) * v.f
		}
		return sum
	}
	given := func(i int) scalar { return inputOf(dt, rank, i) }
	layout := func(k int) layout { return layouts[(l+k)%len(layouts)] }

	x := layout(0).place(t, dt, block)
	x.fill(given)
	if err := c.AllReduce(background, x.tensor, x.tensor, op); err != nil {
		return err
	}
	errs := []error{x.check(want)}

	src, dst := layout(1).place(t, dt, append([]int64{int64(size)}, block...)), layout(2).place(t, dt, block)
	src.fill(given)
	if err := c.ReduceScatter(background, dst.tensor, src.tensor, op); err != nil {
		return err
	}
	first := rank * int(product(block))
	errs = append(errs, dst.check(func(i int) scalar { return want(first + i) }), src.check(given))

	src, dst = layout(3).place(t, dt, block), layout(4).place(t, dt, block)
	src.fill(given)
	if err := c.Reduce(background, dst.tensor, src.tensor, op, size-1); err != nil {
		return err
	}
	if rank == size-1 {
		errs = append(errs, dst.check(want))
	}
	errs = append(errs, src.check(given), c.FreeOp(op))
	return errors.Join(errs...)
}

func TestPreMulSumErrors(t *testing.T) {
	w := localWorld(t, 2, engine.Config{ChunkBytes: smallChunk})
	c := w[0]
	var argument *engine.ArgumentError
	for _, factor := range []strided.Tensor{{}, strided.Of([]float64{1}), strided.Of([]float32{1, 2}), strided.FromDevice(dtype.Float32, 4096, 4)} {
		_, err := c.NewPreMulSum(dtype.Float32, factor)
		require.ErrorAs(t, err, &argument)
	}
	op, err := c.NewPreMulSum(dtype.Float32, strided.Of([]float32{2}))
	require.NoError(t, err)
	require.EqualValues(t, 5, op, "numbers begin with ncclNumOps")
	ints, floats := strided.Of(make([]int32, 3)), strided.Of(make([]float32, 3))
	errs := w.each(t, func(rank int, c *engine.Comm) error {
		if rank == 0 {
			return c.AllReduce(background, ints, ints, op)
		}
		return c.AllReduce(background, ints, ints, engine.Sum)
	})
	require.ErrorAs(t, errs[0], &argument)
	require.Equal(t, "op", argument.Argument)
	errs = w.each(t, func(rank int, c *engine.Comm) error {
		if rank == 0 {
			return c.AllReduce(background, floats, floats, op)
		}
		return c.AllReduce(background, floats, floats, engine.Sum)
	})
	require.ErrorIs(t, errs[0], engine.ErrMismatch)
	require.ErrorContains(t, errs[1], "rank 0 called all_reduce float premulsum shape [3]")
	_, err = c.NewPreMulSum(dtype.Float32, strided.FromDevice(dtype.Float32, 4096, 4))
	require.ErrorIs(t, err, strided.ErrDevice)
	require.NoError(t, c.FreeOp(op))
	require.ErrorAs(t, c.FreeOp(op), &argument)
	require.ErrorAs(t, c.FreeOp(engine.Sum), &argument)
	for range 250 {
		_, err = c.NewPreMulSum(dtype.Int8, strided.Of([]int8{1}))
		require.NoError(t, err)
	}
	_, err = c.NewPreMulSum(dtype.Int8, strided.Of([]int8{1}))
	require.ErrorAs(t, err, &argument)
}
