package strided

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHalves(t *testing.T) {
	ab := func(order ...int) Walk { return makeWalk(order, make([]bool, len(order))) }
	for name, c := range map[string]struct {
		shape []int64
		a, b  Walk
		block int64
		want  string
		cut   int
	}{
		"matrix":                     {[]int64{40, 40}, Logical, ab(1, 0), 64, "logical | 1,0 by 64", 0},
		"the other way round":        {[]int64{40, 40}, ab(1, 0), Logical, 64, "1,0 | logical by 64", 1},
		"block":                      {[]int64{40, 40}, Logical, ab(1, 0), 127, "logical | 1,0 by 64", 0},
		"block of one":               {[]int64{40, 40}, Logical, ab(1, 0), 1, "logical | 1,0 by 1", 0},
		"sizes of 1":                 {[]int64{1, 40, 1, 40}, Logical, ab(1, 0), 64, "logical | 1,0 by 64", 1},
		"backwards":                  {[]int64{40}, Logical, makeWalk([]int{0}, []bool{true}), 8, "logical | -0 by 8", 0},
		"few rows":                   {[]int64{2, 4000}, Logical, ab(1, 0), 64, "logical | 1,0 by 64", 1},
		"few columns":                {[]int64{4000, 2}, Logical, ab(1, 0), 64, "logical | 1,0 by 64", 0},
		"three channels, last":       {[]int64{3, 224, 224}, Logical, ab(1, 2, 0), 64, "logical | 1,2,0 by 64", 1},
		"batch of 2, channels last":  {[]int64{2, 64, 56, 56}, Logical, ab(0, 2, 3, 1), 64, "logical | 0,2,3,1 by 64", 0},
		"batch of 3, channels last":  {[]int64{3, 64, 56, 56}, Logical, ab(0, 2, 3, 1), 64, "logical | 0,2,3,1 by 64", 2},
		"six dimensions":             {[]int64{2, 2, 2, 2, 2, 2}, Logical, ab(5, 4, 3, 2, 1, 0), 8, "logical | 5,4,3,2,1,0 by 8", 2},
		"seven dimensions":           {[]int64{2, 2, 2, 2, 2, 2, 2}, Logical, ab(6, 5, 4, 3, 2, 1, 0), 8, "logical", 0},
		"equal":                      {[]int64{40, 40}, ab(1, 0), ab(1, 0), 64, "logical", 0},
		"two blocks":                 {[]int64{2, 64}, Logical, ab(1, 0), 64, "logical | 1,0 by 64", 1},
		"less than two blocks":       {[]int64{127}, Logical, makeWalk([]int{0}, []bool{true}), 64, "logical", 0},
		"no block":                   {[]int64{40, 40}, Logical, ab(1, 0), 0, "logical", 0},
		"of another shape":           {[]int64{40, 40}, Logical, ab(0, 2, 1), 64, "logical", 0},
		"empty":                      {[]int64{40, 0}, Logical, ab(1, 0), 64, "logical", 0},
		"negative":                   {[]int64{40, -40}, Logical, ab(1, 0), 64, "logical", 0},
		"too large for any memory":   {[]int64{1 << 40, 1 << 40}, Logical, ab(1, 0), 64, "logical", 0},
		"of halves":                  {[]int64{40, 40}, Logical, Halves([]int64{40, 40}, Logical, ab(1, 0), 64), 64, "logical", 0},
		"the largest block possible": {[]int64{1 << 20, 1 << 20}, Logical, ab(1, 0), 1 << 39, "logical | 1,0 by 549755813888", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := Halves(c.shape, c.a, c.b, c.block)
			require.Equal(t, c.want, w.String())
			if w == Logical {
				return
			}
			require.NoError(t, w.Validate(c.shape))
			require.Equal(t, c.cut, cut(c.shape, c.a, c.b))
			a, b, block := w.halves()
			require.Equal(t, []Walk{c.a, c.b}, []Walk{a, b})
			require.LessOrEqual(t, block, c.block)
			require.Greater(t, 2*block, c.block)
		})
	}
}

func TestHalvesValidate(t *testing.T) {
	shape := []int64{40, 40}
	good := Halves(shape, Logical, makeWalk([]int{1, 0}, []bool{false, false}), 64)
	require.NoError(t, good.Validate(shape))
	require.NoError(t, good.Validate([]int64{40, 1, 40}))
	for name, c := range map[string]struct {
		w     Walk
		shape []int64
	}{
		"stray bits":          {good | 1<<20, shape},
		"stray high bits":     {good | 1<<57, shape},
		"equal orders":        {good&^(0xff<<24) | good&0xff<<24, shape},
		"repeated dimension":  {good | 1, shape},
		"no such dimension":   {good | 7, shape},
		"too few dimensions":  {good, []int64{1600}},
		"too many dimensions": {good, []int64{40, 40, 2}},
		"too large a block":   {good + 4<<51, shape},
		"an enormous block":   {good | 63<<51, shape},
		"empty":               {good, []int64{40, 40, 0}},
		"nothing else":        {15 << 60, shape},
		"seven dimensions":    {15<<60 | 7<<48, []int64{2, 2, 2, 2, 2, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, c.w.Validate(c.shape), ErrWalk)
			_ = c.w.String()
			_, err := iota32(c.shape...).View(c.w)
			require.ErrorIs(t, err, ErrWalk)
		})
	}
	_, err := iota32(shape...).Layout().Packed(good)
	require.ErrorIs(t, err, ErrWalk)
}

// TestHalvesOfDense: of two dense tensors in a walk that serves both, each has one
// half in runs, which takes turns with the other as long as there are blocks.
func TestHalvesOfDense(t *testing.T) {
	rng := seeded(t)
	tried := 0
	for range rounds(500) {
		shape := make([]int64, 1+rng.IntN(4))
		for i := range shape {
			shape[i] = 4 + rng.Int64N(5)
		}
		var x [2]Tensor
		for k := range x {
			order := rng.Perm(len(shape))
			stored, back := make([]int64, len(shape)), make([]int, len(shape))
			for i, d := range order {
				stored[i], back[d] = shape[d], i
			}
			x[k] = iota32(stored...).Permute(back...)
		}
		block := int64(1) << rng.IntN(4)
		w := Halves(shape, x[0].Layout().MemoryWalk(), x[1].Layout().MemoryWalk(), block)
		if w == Logical {
			continue
		}
		tried++
		for k := range x {
			v, err := x[k].View(w)
			require.NoError(t, err)
			require.True(t, v.InHalves())
			require.False(t, v.IsContiguous())
			own := v.plan.turns.part[k]
			require.Contains(t, []kind{contiguous, runs}, own.kind, "%v in walk %v", x[k], w)
			rest := own.count
			for lo, turn, count := int64(0), 0, v.Count(); lo < count; turn++ {
				part, _, n := v.Part(lo, count)
				require.False(t, part.InHalves())
				if least := v.plan.turns.part[0].count; lo < 2*(least/block*block) {
					require.Equal(t, turn%2 == k, part.plan == own, "%v in walk %v", x[k], w)
					require.Equal(t, block, n)
				}
				if part.plan == own {
					rest -= n
				}
				lo += n
			}
			require.Zero(t, rest)
		}
	}
	require.Greater(t, tried, rounds(100))
}

func TestReduceOutOfDifferentWalks(t *testing.T) {
	x := iota32(40, 40)
	w := Halves(x.Shape(), Logical, makeWalk([]int{1, 0}, []bool{false, false}), 64)
	v, err := x.View(w)
	require.NoError(t, err)
	u, err := iota32(40, 40).View(Logical)
	require.NoError(t, err)
	in := make([]byte, 400)
	require.Panics(t, func() { v.ReduceOut(u, nil, in, 0, 100, Sum, 1) })
	require.Panics(t, func() { u.ReduceOut(v, nil, in, 0, 100, Sum, 1) })
	require.Panics(t, func() { v.Dims() })
}
