package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestVariableCounts: blocks and parts of every size, none at all among them, of any
// shape, in any layout, by every algorithm, out of place and in.
func TestVariableCounts(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{1, 2, 3, 4, 5, 7, 8} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				rng := seeded(t)
				for _, cfg := range []engine.Config{{ChunkBytes: smallChunk}, {ChunkBytes: 4096, HopBytes: 1 << 20}} {
					w := newWorld(t, size, cfg)
					for range 16 / size {
						v := randomVariable(rng, size)
						w.must(t, func(rank int, c *engine.Comm) error {
							if err := v.run(forRank(t, rank), c); err != nil {
								return fmt.Errorf("%+v: %w", v, err)
							}
							return nil
						})
					}
				}
			})
		}
	}
}

// variableCase is a call with parts of some rows each.
type variableCase struct {
	dt   strided.DType
	row  []int64   // the shape of a row
	rows [][]int64 // from each rank to each; in an all_gather each rank's are the first row's
	pick int       // the first layout
	flat bool      // where it can, a part in place is a tensor of one dimension
}

func randomVariable(rng *rand.Rand, size int) *variableCase {
	v := &variableCase{
		dt: dtype.All()[rng.IntN(len(dtype.All()))], pick: rng.IntN(100), flat: rng.IntN(2) == 0,
		row: [][]int64{nil, nil, {5}, {3, 4}, {2, 1, 3}}[rng.IntN(5)],
	}
	most := max([]int64{3, 40, 2000}[rng.IntN(3)]/product(v.row), 2)
	for range size {
		rows := make([]int64, size)
		for i := range rows {
			rows[i] = rng.Int64N(most) * int64(min(1, rng.IntN(4)))
		}
		v.rows = append(v.rows, rows)
	}
	return v
}

// place makes a tensor of some rows.
func (v *variableCase) place(t testing.TB, rank, k int, rows int64) placed {
	return layouts[(v.pick+rank+k)%len(layouts)].place(t, v.dt, append([]int64{rows}, v.row...))
}

// counts are the elements of some rows.
func (v *variableCase) counts(rows []int64) (counts []int64) {
	for _, n := range rows {
		counts = append(counts, n*product(v.row))
	}
	return counts
}

func (v *variableCase) run(t testing.TB, c *engine.Comm) error {
	both := *v
	both.rows = symmetric(v.rows)
	for _, inPlace := range []bool{false, true} {
		dst, src, counts, check := v.gathers(t, c, inPlace)
		if err := c.AllGatherV(background, dst, src, counts); err != nil {
			return err
		}
		err := check()
		parts := v
		if inPlace {
			parts = &both
		}
		dst, src, in, out, check := parts.exchanges(t, c, inPlace)
		if err := c.AllToAllV(background, dst, src, in, out); err != nil {
			return err
		}
		if err = errors.Join(err, check()); err != nil {
			return fmt.Errorf("in place %v: %w", inPlace, err)
		}
	}
	return nil
}

func (v *variableCase) value(from, i int) scalar { return input(v.dt, engine.Max, from, i) }

// gathers prepares a rank's AllGatherV.
func (v *variableCase) gathers(t testing.TB, c *engine.Comm, inPlace bool) (to, from strided.Tensor, counts []int64, check func() error) {
	rank, rows := c.Rank(), v.rows[0]
	counts = v.counts(rows)
	var want []scalar
	for from, n := range counts {
		for i := range n {
			want = append(want, v.value(from, int(i)))
		}
	}
	wanted := func(i int) scalar { return want[i] }
	mine := func(i int) scalar { return v.value(rank, i) }
	dst := v.place(t, rank, 1, total(rows))
	if !inPlace {
		src := v.place(t, rank, 0, rows[rank])
		src.fill(mine)
		return dst.tensor, src.tensor, counts, func() error { return errors.Join(dst.check(wanted), src.check(mine)) }
	}
	first := total(rows[:rank])
	own := dst.tensor.Slice(0, first, first+rows[rank])
	if flat := own.Flatten(); v.flat && flat.Err() == nil {
		own = flat
	}
	at := int(total(counts[:rank]))
	dst.fill(func(i int) scalar {
		if i < at || int64(i) >= int64(at)+counts[rank] {
			return scalar{}
		}
		return mine(i - at)
	})
	return dst.tensor, own, counts, func() error { return dst.check(wanted) }
}

// symmetric are rows of which each rank sends to each what it gets from it.
func symmetric(rows [][]int64) (both [][]int64) {
	for i := range rows {
		own := slices.Clone(rows[i])
		for j := range i {
			own[j] = rows[j][i]
		}
		both = append(both, own)
	}
	return both
}

// exchanges prepares a rank's AllToAllV, in place only if rows are symmetric.
func (v *variableCase) exchanges(t testing.TB, c *engine.Comm, inPlace bool) (to, from strided.Tensor, in, out []int64, check func() error) {
	rank := c.Rank()
	out = v.counts(v.rows[rank])
	var rows int64
	var want []scalar
	for from := range c.Size() {
		part := v.counts(v.rows[from])
		in, rows = append(in, part[rank]), rows+v.rows[from][rank]
		before := total(part[:rank])
		for i := range part[rank] {
			want = append(want, v.value(from, int(before+i)))
		}
	}
	wanted := func(i int) scalar { return want[i] }
	mine := func(i int) scalar { return v.value(rank, i) }
	src := v.place(t, rank, 3, total(v.rows[rank]))
	src.fill(mine)
	if inPlace {
		return src.tensor, src.tensor, in, out, func() error { return src.check(wanted) }
	}
	dst := v.place(t, rank, 4, rows)
	return dst.tensor, src.tensor, in, out, func() error { return errors.Join(dst.check(wanted), src.check(mine)) }
}

// TestVariableCountsChoose: short blocks go from each rank to all others at once, in
// few rounds where there are many ranks, and long ones along the ring. Only rank 0 has
// any, so what each sends tells.
func TestVariableCountsChoose(t *testing.T) {
	const short, chunk = 64, 4096
	for name, c := range map[string]struct {
		size  int
		bytes int64
		first int64 // how often rank 0 sends its block
		next  int64 // and rank 1
	}{
		"spread": {5, short, 4, 0},
		"rounds": {8, short, 3, 0},
		"ring":   {5, chunk + 64, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := tcpWorld(t, c.size, engine.Config{ChunkBytes: chunk})
			w.must(t, func(rank int, comm *engine.Comm) error {
				counts := make([]int64, c.size)
				counts[0] = c.bytes
				dst, src := make([]byte, c.bytes), make([]byte, counts[rank])
				return comm.AllGatherV(background, strided.Of(dst), strided.Of(src), counts)
			})
			for rank, times := range []int64{c.first, c.next} {
				require.Equal(t, uint64(times*c.bytes), w[rank].Stats().Wires[0].Sent, "rank %d", rank)
			}
		})
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
			return c.AllToAllV(background, x, x, []int64{2, 2}, []int64{1, 3}) // in place
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
