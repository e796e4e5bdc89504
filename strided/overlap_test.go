package strided

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided/dtype"
)

func TestCheckOutput(t *testing.T) {
	type ints = []int64
	x := iota32(1 << 16)
	for name, c := range map[string]struct {
		x  Tensor
		ok bool
	}{
		"contiguous":           {iota32(4, 5), true},
		"transposed":           {iota32(4, 5).Permute(1, 0), true},
		"reversed":             {iota32(4, 5).Reverse(0).Reverse(1), true},
		"column":               {iota32(4, 5).Select(1, 2), true},
		"expanded":             {iota32(4, 1).Expand(4, 5), false},
		"expanded by 1":        {iota32(4).Expand(1, 4), true},
		"expanded, empty":      {iota32(4, 1).Expand(4, 5).Slice(0, 0, 0), true},
		"windows":              {x.AsStrided(ints{10, 3}, ints{1, 1}, 0), false},
		"windows with steps":   {x.AsStrided(ints{10, 3}, ints{2, 1}, 0), false},
		"windows apart":        {x.AsStrided(ints{10, 3}, ints{3, 1}, 0), true},
		"interleaved":          {x.AsStrided(ints{3, 2}, ints{2, 3}, 0), true},  // 0 3 2 5 4 7
		"interleaved, meeting": {x.AsStrided(ints{4, 3}, ints{2, 3}, 0), false}, // 3*2 = 2*3
		"coprime":              {x.AsStrided(ints{7, 6}, ints{6, 7}, 0), true},
		"coprime, meeting":     {x.AsStrided(ints{8, 7}, ints{6, 7}, 0), false},
		"three coprime":        {x.AsStrided(ints{5, 3, 2}, ints{6, 10, 15}, 0), true},
		"opposite":             {x.AsStrided(ints{3, 3}, ints{-1, 1}, 10), false},
		"opposite, apart":      {x.AsStrided(ints{3, 3}, ints{-3, 1}, 10), true},
		"too many for space":   {x.AsStrided(ints{20, 20, 20}, ints{7, 11, 13}, 0), false},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, c.x.Err())
			err := c.x.Layout().CheckOutput()
			if c.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ErrOverlap)
			}
		})
	}
}

func TestConflict(t *testing.T) {
	m := iota32(8, 8)
	bytes := make([]int8, 64)
	for name, c := range map[string]struct {
		dst, src Tensor
		ok       bool
	}{
		"itself":                  {m, m, true},
		"itself, transposed both": {m.Permute(1, 0), m.Permute(1, 0), true},
		"itself in another shape": {m, m.Reshape(2, 32), true},
		"itself through another memory": {m.Select(0, 3),
			FromPointer(Int32, m.Select(0, 3).address(24), 32), true},
		"transposed":             {m, m.Permute(1, 0), false},
		"reversed":               {m, m.Reverse(0), false},
		"columns apart":          {m.Select(1, 0), m.Select(1, 1), true},
		"column and its row":     {m.Select(1, 0), m.Select(0, 0), false},
		"rows apart":             {m.Slice(0, 0, 4), m.Slice(0, 4, 8), true},
		"rows meeting":           {m.Slice(0, 0, 5), m.Slice(0, 4, 8), false},
		"halves of columns":      {m.Slice(1, 0, 4), m.Slice(1, 4, 8), true},
		"even and odd":           {m.Step(1, 2), m.Slice(1, 1, 8).Step(1, 2), true},
		"even and even":          {m.Step(1, 2), m.Slice(1, 2, 8).Step(1, 2), false},
		"even and third":         {m.Flatten().Step(0, 2), m.Flatten().Slice(0, 1, 64).Step(0, 3), false},
		"quadrants":              {m.Slice(0, 0, 4).Slice(1, 4, 8), m.Slice(0, 4, 8).Slice(1, 0, 4), true},
		"triangles touching":     {m.Slice(0, 0, 5).Slice(1, 4, 8), m.Slice(0, 4, 8).Slice(1, 0, 5), false},
		"other memory":           {m, iota32(8, 8), true},
		"expanded source apart":  {m.Select(1, 0), m.Slice(1, 1, 2).Expand(8, 8), true},
		"expanded source inside": {m.Select(1, 1), m.Slice(1, 1, 2).Expand(8, 8), false},
		"expanded target":        {m.Slice(1, 1, 2).Expand(8, 8), iota32(8, 8), false},
		"expanded both":          {m.Slice(1, 1, 2).Expand(8, 8), m.Slice(1, 1, 2).Expand(8, 8), false},
		"empty":                  {m.Slice(0, 0, 0), m, true},
		"other type, same":       {Of(bytes), FromPointer(Float32, Of(bytes).address(0), 64), false},
		"other type, apart":      {Of(bytes).Slice(0, 0, 8), FromPointer(Float64, Of(bytes).address(8), 56), true},
		"other type, in the gap": {Of(bytes).Reshape(8, 8).Slice(1, 4, 8), FromPointer(Int32, Of(bytes).address(0), 64).Step(0, 2), true},
		"other type, one byte":   {Of(bytes).Reshape(8, 8).Slice(1, 3, 8), FromPointer(Int32, Of(bytes).address(0), 64).Step(0, 2), false},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, c.dst.Err())
			require.NoError(t, c.src.Err())
			err := Conflict(c.dst, c.src)
			if c.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ErrOverlap)
			}
		})
	}
	bad := m.Slice(9, 9, 9)
	require.Equal(t, bad.Err(), Conflict(bad, m))
	require.Equal(t, bad.Err(), Conflict(m, bad))
}

// TestOverlapAgainstEnumeration compares both answers with marking every byte.
func TestOverlapAgainstEnumeration(t *testing.T) {
	rng := seeded(t)
	memory := filled(rng, 4096)
	random := func() Tensor {
		dt := []DType{Int8, Float16, Int32, Float64}[min(rng.IntN(7), 3)]
		x := FromBytes(dt, memory)
		n := x.Count()
		if rng.IntN(2) == 0 { // a view of a matrix
			cols := int64(1) << rng.IntN(5)
			x = randomViews(rng, x.Reshape(-1, cols), 2000)
			if x.Err() == nil && x.Count() <= 2000 {
				return x
			}
		}
		for {
			shape := make([]int64, 1+rng.IntN(4))
			strides := make([]int64, len(shape))
			offset := rng.Int64N(n)
			for i := range shape {
				shape[i] = 1 + rng.Int64N(6)
				strides[i] = rng.Int64N([]int64{5, 20, 100}[rng.IntN(3)]) - 3
			}
			if y := x.AsStrided(shape, strides, offset); y.Err() == nil {
				return y
			}
		}
	}
	verdicts := map[bool]int{}
	for range rounds(20000) {
		x, y := random(), random()
		owner := make([]int64, len(memory))
		self, same, meet := false, x.Count() == y.Count() && x.DType().Size() == y.DType().Size(), false
		xs, ys := places(x.Layout(), Logical), places(y.Layout(), Logical)
		es := int64(x.DType().Size())
		for i, p := range xs {
			self = self || owner[p*es] != 0
			same = same && p == ys[i]
			for b := range es {
				owner[p*es+b] = 1
			}
		}
		es = int64(y.DType().Size())
		for _, p := range ys {
			for b := range es {
				meet = meet || owner[p*es+b] != 0
			}
		}
		require.Equal(t, self, x.Layout().CheckOutput() != nil, "%v", x)
		require.Equal(t, self || meet && !same, Conflict(x, y) != nil, "%v and %v", x, y)
		verdicts[meet]++
	}
	require.Greater(t, min(verdicts[true], verdicts[false]), rounds(1000), "both outcomes occur")
}

// TestOverlapGivesUp: strides without structure make the question hard. The
// search stops in bounded time and refuses what it cannot prove.
func TestOverlapGivesUp(t *testing.T) {
	// Subset sums: elements are distinct if no two subsets of the strides have
	// equal sums.
	var shape, strides []int64
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		shape = append(shape, 2)
		strides = append(strides, 1<<52+rng.Int64N(1<<52))
	}
	l, err := NewLayout(Int8, shape, strides, 0)
	require.NoError(t, err)
	err = l.CheckOutput()
	require.ErrorIs(t, err, ErrOverlap)
	require.ErrorContains(t, err, "cannot prove")
}

// TestDisjoint compares with the bytes that elements have, and the extent with the first
// and the last of them.
func TestDisjoint(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	memory := make([]byte, 4096)
	random := func() Tensor {
		dt := []DType{dtype.Uint8, dtype.Float16, dtype.Int32}[rng.IntN(3)]
		at := rng.IntN(100) * 4
		x := FromBytes(dt, memory[at:at+3200])
		shape, strides := make([]int64, 1+rng.IntN(3)), make([]int64, 3)
		for i := range shape {
			shape[i], strides[i] = rng.Int64N(5), rng.Int64N(41)-20
		}
		return x.AsStrided(shape, strides[:len(shape)], 300)
	}
	touched := func(x Tensor) (map[uint64]bool, uint64, uint64) {
		bytes, first, end := map[uint64]bool{}, ^uint64(0), uint64(0)
		shape, strides := x.Layout().Shape(), x.Layout().Strides()
		for i := range x.Count() {
			element := int64(0)
			for d, rest := len(shape)-1, i; d >= 0; d-- {
				element += rest % shape[d] * strides[d]
				rest /= shape[d]
			}
			size := int64(x.DType().Size())
			for b := range size {
				a := x.Address() + uint64(element*size+b)
				bytes[a], first, end = true, min(first, a), max(end, a+1)
			}
		}
		return bytes, first, end
	}
	met := [2]int{}
	for range 10_000 {
		a, b := random(), random()
		require.NoError(t, a.Err())
		in, first, end := touched(a)
		gotFirst, gotEnd := a.Extent()
		if a.Count() == 0 {
			first, end = 0, 0
		}
		require.Equal(t, [2]uint64{first, end}, [2]uint64{gotFirst, gotEnd}, "%v", a.Layout())
		also, _, _ := touched(b)
		shared := 0
		for at := range also {
			if in[at] {
				shared = 1
			}
		}
		met[shared]++
		if err := Disjoint(a, b); shared == 1 {
			require.ErrorIs(t, err, ErrOverlap, "%v and %v", a.Layout(), b.Layout())
		} else {
			require.NoError(t, err, "%v and %v", a.Layout(), b.Layout())
		}
	}
	require.Greater(t, met[0], 50)
	require.Greater(t, met[1], 50)
	x := Of(make([]int32, 8))
	require.ErrorIs(t, Disjoint(x, x), ErrOverlap)
}
