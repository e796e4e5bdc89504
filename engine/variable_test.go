package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestVariableCounts: blocks and parts of every size, none at all among them, in any
// layout.
func TestVariableCounts(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{1, 2, 3, 4, 5, 7} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				rng := seeded(t)
				w := newWorld(t, size, engine.Config{ChunkBytes: smallChunk})
				for range 24 / size {
					dt := dtype.All()[rng.IntN(len(dtype.All()))]
					most := []int64{3, 40, 2000}[rng.IntN(3)]
					counts := make([][]int64, size) // from each rank to each
					for i := range counts {
						for range size {
							n := rng.Int64N(most)
							if rng.IntN(4) == 0 {
								n = 0
							}
							counts[i] = append(counts[i], n)
						}
					}
					pick := rng.IntN(100)
					sum := func(n []int64) (s int64) {
						for _, k := range n {
							s += k
						}
						return s
					}
					w.must(t, func(rank int, c *engine.Comm) error {
						t := forRank(t, rank)
						layout := func(k int) layout { return layouts[(pick+rank+k)%len(layouts)] }
						value := func(rank int) func(i int) scalar {
							return func(i int) scalar { return input(dt, engine.Max, rank, i) }
						}
						src := layout(0).place(t, dt, []int64{counts[0][rank]})
						dst := layout(1).place(t, dt, []int64{sum(counts[0])})
						src.fill(value(rank))
						if err := c.AllGatherV(background, dst.tensor, src.tensor, counts[0]); err != nil {
							return err
						}
						var want []scalar
						for from, n := range counts[0] {
							for i := range n {
								want = append(want, value(from)(int(i)))
							}
						}
						errs := []error{dst.check(func(i int) scalar { return want[i] }), src.check(value(rank))}

						// In place.
						dst = layout(2).place(t, dt, []int64{sum(counts[0])})
						lo := sum(counts[0][:rank])
						dst.fill(func(i int) scalar {
							if int64(i) < lo || int64(i) >= lo+counts[0][rank] {
								return scalar{}
							}
							return value(rank)(i - int(lo))
						})
						if err := c.AllGatherV(background, dst.tensor, dst.tensor.Slice(0, lo, lo+counts[0][rank]), counts[0]); err != nil {
							return err
						}
						errs = append(errs, dst.check(func(i int) scalar { return want[i] }))

						incoming := make([]int64, size)
						want = nil
						for from := range size {
							incoming[from] = counts[from][rank]
							before := sum(counts[from][:rank])
							for i := range incoming[from] {
								want = append(want, value(from)(int(before+i)))
							}
						}
						src = layout(3).place(t, dt, []int64{sum(counts[rank])})
						dst = layout(4).place(t, dt, []int64{sum(incoming)})
						src.fill(value(rank))
						if err := c.AllToAllV(background, dst.tensor, src.tensor, incoming, counts[rank]); err != nil {
							return err
						}
						return errors.Join(append(errs, dst.check(func(i int) scalar { return want[i] }), src.check(value(rank)))...)
					})
				}
			})
		}
	}
}

// TestVariableCountsDisagree: parts of other sizes than expected, and counts that cannot
// be.
func TestVariableCountsDisagree(t *testing.T) {
	f := func(n int64) strided.Tensor { return strided.Of(make([]float32, n)) }
	for _, counts := range [][2]int64{{3, 4}, {900, 3}, {3, 900}, {0, 1}, {1000, 900}} {
		w := localWorld(t, 3, engine.Config{ChunkBytes: smallChunk})
		for rank, err := range w.each(t, func(rank int, c *engine.Comm) error {
			in, out := []int64{2, 2, 2}, []int64{2, 2, 2}
			switch rank {
			case 0:
				out[1] = counts[0]
			case 1:
				in[0] = counts[1]
			}
			err := c.AllToAllV(background, f(in[0]+4), f(out[1]+4), in, out)
			return errors.Join(err, c.Barrier(background)) // it may have finished rightly before
		}) {
			require.ErrorIs(t, err, engine.ErrMismatch, "rank %d", rank)
			require.ErrorContains(t, err, fmt.Sprintf("it sends %d elements to rank 1, which expects %d of it", counts[0], counts[1]))
		}
	}
	w := localWorld(t, 2, engine.Config{})
	for rank, err := range w.each(t, func(rank int, c *engine.Comm) error {
		return c.AllGatherV(background, f(5), f(int64(2+rank)), [][]int64{{2, 3}, {3, 3}}[rank])
	}) {
		require.ErrorIs(t, err, []error{engine.ErrMismatch, engine.ErrInvalidArgument}[rank], "rank %d", rank)
	}
	// Ranks that differ in the counts write nothing, their own blocks neither.
	for _, chunk := range []int{smallChunk, 1 << 20} {
		w := localWorld(t, 3, engine.Config{ChunkBytes: chunk})
		for rank, err := range w.each(t, func(rank int, c *engine.Comm) error {
			counts := []int64{700, 900, int64(1100 + rank)}
			dst := make([]float32, counts[0]+counts[1]+counts[2])
			src := make([]float32, counts[rank])
			for i := range src {
				src[i] = 1
			}
			err := c.AllGatherV(background, strided.Of(dst), strided.Of(src), counts)
			require.Equal(t, -1, slices.IndexFunc(dst, func(x float32) bool { return x != 0 }), "rank %d wrote", rank)
			return err
		}) {
			require.ErrorIs(t, err, engine.ErrMismatch, "rank %d", rank)
		}
	}
	for argument, call := range map[string]func(c *engine.Comm) error{
		"counts": func(c *engine.Comm) error { return c.AllGatherV(background, f(5), f(5), []int64{5}) },
		"src":    func(c *engine.Comm) error { return c.AllGatherV(background, f(5), f(5), []int64{2, 3}) },
		"dst": func(c *engine.Comm) error {
			x := f(4)
			return c.AllToAllV(background, x, x, []int64{2, 2}, []int64{2, 2})
		},
		"recvCounts": func(c *engine.Comm) error { return c.AllToAllV(background, f(3), f(4), []int64{-1, 4}, []int64{2, 2}) },
		"sendCounts": func(c *engine.Comm) error { return c.AllToAllV(background, f(4), f(4), []int64{2, 2}, []int64{2, 1}) },
	} {
		for _, err := range w.each(t, func(_ int, c *engine.Comm) error { return call(c) }) {
			var bad *engine.ArgumentError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, argument, bad.Argument)
		}
	}
}
