package engine_test

import (
	"errors"
	"fmt"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
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

// variable are rows of which every rank sends some to each, or gathers some.
func (g *generator) variable(size int) *variableCase {
	v := &variableCase{dt: g.dtype(), row: [][]int64{nil, nil, {3}, {2, 5}}[g.IntN(4)], pick: g.IntN(100), flat: g.IntN(2) == 0}
	for range size {
		v.rows = append(v.rows, g.counts(size))
	}
	return v
}

func (g *generator) allGatherV(size int) programOp {
	v, inPlace := g.variable(size), g.IntN(3) == 0
	v.rows = v.rows[:1]
	text := fmt.Sprintf("all_gather_v %+v in place %v", *v, inPlace)
	return callOf(text, func(r *programRank, c *engine.Comm) (programCall, func() error) {
		dst, src, counts, check := v.gathers(r.t, c, inPlace)
		return programCall{
			func() error { return c.AllGatherV(background, dst, src, counts) },
			func() (*engine.Work, error) { return c.StartAllGatherV(background, dst, src, counts) },
			func(in *engine.Group) error { return in.AllGatherV(dst, src, counts) },
		}, check
	})
}

func (g *generator) allToAllV(size int) programOp {
	v, inPlace := g.variable(size), g.IntN(3) == 0
	if inPlace {
		v.rows = symmetric(v.rows)
	}
	text := fmt.Sprintf("all_to_all_v %+v in place %v", *v, inPlace)
	return callOf(text, func(r *programRank, c *engine.Comm) (programCall, func() error) {
		dst, src, in, out, check := v.exchanges(r.t, c, inPlace)
		return programCall{
			func() error { return c.AllToAllV(background, dst, src, in, out) },
			func() (*engine.Work, error) { return c.StartAllToAllV(background, dst, src, in, out) },
			func(group *engine.Group) error { return group.AllToAllV(dst, src, in, out) },
		}, check
	})
}

// preMulSum is a reduction in which each rank has a factor of its own.
func (g *generator) preMulSum(size int) programOp {
	dt, shape, in, salt := g.dtype(), g.shape(0), g.layoutNames(size), g.IntN(1<<20)
	how, root := g.IntN(3), g.IntN(size)
	text := fmt.Sprintf("%s premulsum %v %v in %v root %d", []string{"all_reduce", "reduce", "reduce_scatter"}[how], dt, shape, in, root)
	return callOf(text, func(r *programRank, c *engine.Comm) (programCall, func() error) {
		factor := make([]byte, 8)
		scalar{factorOn(dt, c.Rank()), float64(factorOn(dt, c.Rank()))}.store(dt, factor)
		op, made := c.NewPreMulSum(dt, strided.FromBytes(dt, factor[:dt.Size()]))
		given := func(i int) scalar { return inputOf(dt, c.Rank(), i+salt) }
		want := func(i int) (sum scalar) {
			for from := range size {
				f, v := factorOn(dt, from), inputOf(dt, from, i+salt)
				sum.i += f * v.i
				sum.f += float64(f) * v.f
			}
			return sum
		}
		l := layoutNamed(in[c.Rank()])
		ended := func(check func() error) func() error {
			return func() error {
				if made != nil {
					return made
				}
				return errors.Join(check(), c.FreeOp(op))
			}
		}
		if how == 2 {
			dst, src := l.place(r.t, dt, shape), l.place(r.t, dt, append([]int64{int64(size)}, shape...))
			src.fill(given)
			first := c.Rank() * int(product(shape))
			return programCall{
					func() error { return c.ReduceScatter(background, dst.tensor, src.tensor, op) },
					func() (*engine.Work, error) { return c.StartReduceScatter(background, dst.tensor, src.tensor, op) },
					func(in *engine.Group) error { return in.ReduceScatter(dst.tensor, src.tensor, op) },
				}, ended(func() error {
					return errors.Join(dst.check(func(i int) scalar { return want(first + i) }), src.check(given))
				})
		}
		x := l.place(r.t, dt, shape)
		x.fill(given)
		if how == 0 {
			return programCall{
				func() error { return c.AllReduce(background, x.tensor, x.tensor, op) },
				func() (*engine.Work, error) { return c.StartAllReduce(background, x.tensor, x.tensor, op) },
				func(in *engine.Group) error { return in.AllReduce(x.tensor, x.tensor, op) },
			}, ended(func() error { return x.check(want) })
		}
		if c.Rank() != root {
			want = given
		}
		return programCall{
			func() error { return c.Reduce(background, x.tensor, x.tensor, op, root) },
			func() (*engine.Work, error) { return c.StartReduce(background, x.tensor, x.tensor, op, root) },
			func(in *engine.Group) error { return in.Reduce(x.tensor, x.tensor, op, root) },
		}, ended(func() error { return x.check(want) })
	})
}
