package engine_test

import (
	"fmt"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// counts are some numbers of elements, often none.
func (g *generator) counts(n int) (counts []int64) {
	most := []int64{3, 40, 1000}[g.IntN(3)]
	for range n {
		counts = append(counts, g.Int64N(most)*int64(min(1, g.IntN(4))))
	}
	return counts
}

func total(counts []int64) (sum int64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

func (g *generator) allGatherV(size int) programOp {
	dt, counts, in, out, salt := g.dtype(), g.counts(size), g.layoutNames(size), g.layoutNames(size), g.IntN(1<<20)
	inPlace := g.IntN(3) == 0
	text := fmt.Sprintf("all_gather_v %v %v src %v dst %v in place %v", dt, counts, in, out, inPlace)
	return callOf(text, func(r *programRank, c *engine.Comm) (programCall, func() error) {
		rank := c.Rank()
		value := func(from, i int) scalar { return input(dt, engine.Max, from, i+salt) }
		mine := func(i int) scalar { return value(rank, i) }
		var want []scalar
		for from, n := range counts {
			for i := range n {
				want = append(want, value(from, int(i)))
			}
		}
		dst := layoutNamed(out[rank]).place(r.t, dt, []int64{total(counts)})
		lo := total(counts[:rank])
		from := dst.tensor
		if inPlace {
			dst.fill(func(i int) scalar {
				if int64(i) < lo || int64(i) >= lo+counts[rank] {
					return scalar{}
				}
				return mine(i - int(lo))
			})
			from = dst.tensor.Slice(0, lo, lo+counts[rank])
		} else {
			src := layoutNamed(in[rank]).place(r.t, dt, []int64{counts[rank]})
			src.fill(mine)
			from = src.tensor
		}
		return programCall{
			func() error { return c.AllGatherV(background, dst.tensor, from, counts) },
			func() (*engine.Work, error) { return c.StartAllGatherV(background, dst.tensor, from, counts) },
			func(in *engine.Group) error { return in.AllGatherV(dst.tensor, from, counts) },
		}, func() error { return dst.check(func(i int) scalar { return want[i] }) }
	})
}

func (g *generator) allToAllV(size int) programOp {
	dt, in, out, salt := g.dtype(), g.layoutNames(size), g.layoutNames(size), g.IntN(1<<20)
	counts := make([][]int64, size) // from each rank to each
	for i := range counts {
		counts[i] = g.counts(size)
	}
	text := fmt.Sprintf("all_to_all_v %v %v src %v dst %v", dt, counts, in, out)
	return callOf(text, func(r *programRank, c *engine.Comm) (programCall, func() error) {
		rank := c.Rank()
		value := func(from int, i int64) scalar { return input(dt, engine.Max, from, int(i)+salt) }
		mine := func(i int) scalar { return value(rank, int64(i)) }
		var incoming []int64
		var want []scalar
		for from := range size {
			before := total(counts[from][:rank])
			incoming = append(incoming, counts[from][rank])
			for i := range counts[from][rank] {
				want = append(want, value(from, before+i))
			}
		}
		src := layoutNamed(in[rank]).place(r.t, dt, []int64{total(counts[rank])})
		dst := layoutNamed(out[rank]).place(r.t, dt, []int64{total(incoming)})
		src.fill(mine)
		return programCall{
				func() error { return c.AllToAllV(background, dst.tensor, src.tensor, incoming, counts[rank]) },
				func() (*engine.Work, error) {
					return c.StartAllToAllV(background, dst.tensor, src.tensor, incoming, counts[rank])
				},
				func(in *engine.Group) error { return in.AllToAllV(dst.tensor, src.tensor, incoming, counts[rank]) },
			}, func() error {
				if err := src.check(mine); err != nil {
					return err
				}
				return dst.check(func(i int) scalar { return want[i] })
			}
	})
}

// preMulSum is an all_reduce in which each rank has a factor of its own.
func (g *generator) preMulSum(size int) programOp {
	types := []strided.DType{dtype.Int8, dtype.Uint8, dtype.Int32, dtype.Int64, dtype.Float16, dtype.BFloat16, dtype.Float32, dtype.Float64}
	dt, shape, in, salt := types[g.IntN(len(types))], g.shape(0), g.layoutNames(size), g.IntN(1<<20)
	text := fmt.Sprintf("all_reduce premulsum %v %v in %v", dt, shape, in)
	return callOf(text, func(r *programRank, c *engine.Comm) (programCall, func() error) {
		factor := make([]byte, 8)
		scalar{factorOn(dt, c.Rank()), float64(factorOn(dt, c.Rank()))}.store(dt, factor)
		op, made := c.NewPreMulSum(dt, strided.FromBytes(dt, factor[:dt.Size()]))
		x := layoutNamed(in[c.Rank()]).place(r.t, dt, shape)
		x.fill(func(i int) scalar { return inputOf(dt, c.Rank(), i+salt) })
		want := func(i int) (sum scalar) {
			for from := range size {
				f, v := factorOn(dt, from), inputOf(dt, from, i+salt)
				sum.i += f * v.i
				sum.f += float64(f) * v.f
			}
			return sum
		}
		return programCall{
				func() error { return c.AllReduce(background, x.tensor, x.tensor, op) },
				func() (*engine.Work, error) { return c.StartAllReduce(background, x.tensor, x.tensor, op) },
				func(in *engine.Group) error { return in.AllReduce(x.tensor, x.tensor, op) },
			}, func() error {
				if made != nil {
					return made
				}
				if err := x.check(want); err != nil {
					return err
				}
				return c.FreeOp(op)
			}
	})
}
