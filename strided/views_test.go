package strided

import (
	"math"
	"testing"
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
	"github.com/stretchr/testify/require"
)

func TestOfTypes(t *testing.T) {
	require.Equal(t, Int8, Of([]int8{1}).DType())
	require.Equal(t, Uint8, Of([]uint8{1}).DType())
	require.Equal(t, Int32, Of([]int32{1}).DType())
	require.Equal(t, Uint32, Of([]uint32{1}).DType())
	require.Equal(t, Int64, Of([]int64{1}).DType())
	require.Equal(t, Uint64, Of([]uint64{1}).DType())
	require.Equal(t, Float16, Of([]dtype.F16{1}).DType())
	require.Equal(t, Float32, Of([]float32{1}).DType())
	require.Equal(t, Float64, Of([]float64{1}).DType())
	require.Equal(t, BFloat16, Of([]dtype.BF16{1}).DType())
	require.Equal(t, Float8E4M3, Of([]dtype.E4M3{1}).DType())
	require.Equal(t, Float8E5M2, Of([]dtype.E5M2{1}).DType())
}

func TestMakeTensor(t *testing.T) {
	b := filled(seeded(t), 64)
	for name, c := range map[string]struct {
		x     Tensor
		count int64
		err   error
	}{
		"bytes":         {x: FromBytes(Float64, b), count: 8},
		"no bytes":      {x: FromBytes(Float64, nil)},
		"odd length":    {x: FromBytes(Float64, b[:12]), err: ErrShape},
		"odd address":   {x: FromBytes(Float64, b[4:12]), err: ErrUnaligned},
		"odd but bytes": {x: FromBytes(Int8, b[3:8]), count: 5},
		"no type":       {x: FromBytes(77, b), err: ErrDType},
		"pointer":       {x: FromPointer(Int32, unsafe.Pointer(&b[0]), 32), count: 8},
		"nil":           {x: FromPointer(Int32, nil, 32), err: ErrNilMemory},
		"nil, empty":    {x: FromPointer(Int32, nil, 0)},
		"negative":      {x: FromPointer(Int32, unsafe.Pointer(&b[0]), -4), err: ErrShape},
		"zero":          {x: Tensor{}, err: ErrNilMemory},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, c.x.Err(), c.err)
			require.Equal(t, c.count, c.x.Count())
		})
	}
}

// iota32 is a tensor whose element at place i of the memory is i.
func iota32(shape ...int64) Tensor {
	n := int64(1)
	for _, s := range shape {
		n *= s
	}
	data := make([]int32, n)
	for i := range data {
		data[i] = int32(i)
	}
	return Of(data).Reshape(shape...)
}

// values lists x's elements in logical order.
func values(t *testing.T, x Tensor) []int32 {
	t.Helper()
	require.NoError(t, x.Err())
	var out []int32
	for _, p := range places(x.Layout(), Logical) {
		out = append(out, *(*int32)(x.address(p)))
	}
	return out
}

func TestViews(t *testing.T) {
	x := iota32(2, 3)
	type ints = []int32
	for name, c := range map[string]struct {
		x     Tensor
		shape []int64
		want  ints
	}{
		"permute":           {x.Permute(1, 0), []int64{3, 2}, ints{0, 3, 1, 4, 2, 5}},
		"permute from end":  {x.Permute(-1, 0), []int64{3, 2}, ints{0, 3, 1, 4, 2, 5}},
		"slice":             {x.Slice(1, 1, 3), []int64{2, 2}, ints{1, 2, 4, 5}},
		"slice from end":    {x.Slice(-1, 1, 3), []int64{2, 2}, ints{1, 2, 4, 5}},
		"slice nothing":     {x.Slice(1, 3, 3), []int64{2, 0}, nil},
		"step":              {x.Step(1, 2), []int64{2, 2}, ints{0, 2, 3, 5}},
		"step over all":     {x.Step(1, math.MaxInt64), []int64{2, 1}, ints{0, 3}},
		"step nothing":      {x.Slice(0, 0, 0).Step(0, 5), []int64{0, 3}, nil},
		"select":            {x.Select(1, 2), []int64{2}, ints{2, 5}},
		"reverse":           {x.Reverse(1), []int64{2, 3}, ints{2, 1, 0, 5, 4, 3}},
		"reverse twice":     {x.Reverse(1).Reverse(1), []int64{2, 3}, ints{0, 1, 2, 3, 4, 5}},
		"expand":            {x.Select(0, 1).Expand(2, 3), []int64{2, 3}, ints{3, 4, 5, 3, 4, 5}},
		"expand in place":   {x.Slice(1, 1, 2).Expand(-1, 2), []int64{2, 2}, ints{1, 1, 4, 4}},
		"expand to nothing": {x.Slice(1, 1, 2).Expand(2, 0), []int64{2, 0}, nil},
		"as strided":        {x.Slice(0, 1, 2).AsStrided([]int64{2, 2}, []int64{1, 1}, 1), []int64{2, 2}, ints{1, 2, 2, 3}},
		"flatten":           {x.Flatten(), []int64{6}, ints{0, 1, 2, 3, 4, 5}},
		"to scalar":         {x.Select(0, 1).Select(0, 1), []int64{}, ints{4}},
		"reshape scalar":    {x.Select(0, 1).Select(0, 1).Reshape(1, 1), []int64{1, 1}, ints{4}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, values(t, c.x))
			require.Equal(t, c.shape, append([]int64{}, c.x.Shape()...))
		})
	}
}

func TestViewErrors(t *testing.T) {
	x := iota32(2, 3)
	for name, c := range map[string]struct {
		x   Tensor
		err error
	}{
		"permute too few":       {x.Permute(0), ErrShape},
		"permute twice":         {x.Permute(0, 0), ErrShape},
		"permute out of range":  {x.Permute(0, 2), ErrShape},
		"permute too negative":  {x.Permute(0, -3), ErrShape},
		"slice dimension":       {x.Slice(2, 0, 1), ErrShape},
		"slice before":          {x.Slice(1, -1, 1), ErrShape},
		"slice past":            {x.Slice(1, 0, 4), ErrShape},
		"slice backwards":       {x.Slice(1, 2, 1), ErrShape},
		"step 0":                {x.Step(1, 0), ErrShape},
		"step dimension":        {x.Step(5, 1), ErrShape},
		"select past":           {x.Select(0, 2), ErrShape},
		"select dimension":      {x.Select(9, 2), ErrShape},
		"reverse dimension":     {x.Reverse(2), ErrShape},
		"expand not 1":          {x.Expand(4, 3), ErrShape},
		"expand fewer":          {x.Expand(3), ErrShape},
		"expand new by -1":      {x.Expand(-1, 2, 3), ErrShape},
		"expand negative":       {x.Expand(2, -2), ErrShape},
		"expand too large":      {x.Slice(0, 0, 1).Expand(1<<60, 3), ErrTooLarge},
		"as strided past":       {x.AsStrided([]int64{3, 3}, []int64{2, 1}, 0), ErrBounds},
		"as strided before":     {x.AsStrided([]int64{3}, []int64{-1}, 1), ErrBounds},
		"as strided mismatched": {x.AsStrided([]int64{3}, []int64{1, 1}, 1), ErrShape},
		"reshape count":         {x.Reshape(4), ErrShape},
		"reshape unknown":       {x.Reshape(4, -1), ErrShape},
		"reshape two unknown":   {x.Reshape(-1, -1), ErrShape},
		"reshape unknown of 0":  {x.Reshape(0, -1), ErrShape},
		"reshape needs copy":    {x.Permute(1, 0).Reshape(6), ErrNeedsCopy},
		"reshape overflow":      {x.Reshape(1<<40, 1<<40), ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, c.x.Err(), c.err)
			require.Zero(t, c.x.Count())
			// Errors stick.
			for _, y := range []Tensor{
				c.x.Permute(0, 1), c.x.Slice(0, 0, 1), c.x.Step(0, 1), c.x.Select(0, 0), c.x.Reverse(0),
				c.x.Expand(2, 3), c.x.Reshape(2, 3), c.x.Flatten(), c.x.AsStrided(nil, nil, 0),
			} {
				require.Equal(t, c.x.Err(), y.Err())
			}
			_, err := c.x.View(Logical)
			require.Equal(t, c.x.Err(), err)
			require.Contains(t, c.x.String(), c.err.Error())
		})
	}
	require.Equal(t, "Tensor(int32[2 3] strides [3 1] offset 0)", x.String())
}

func TestReshape(t *testing.T) {
	for name, c := range map[string]struct {
		x       Tensor
		to      []int64
		strides []int64 // nil: needs a copy
	}{
		"split":                  {iota32(12), []int64{3, 4}, []int64{4, 1}},
		"join and split":         {iota32(4, 6), []int64{3, 8}, []int64{8, 1}},
		"infer":                  {iota32(4, 6), []int64{3, -1, 2}, []int64{8, 2, 1}},
		"split a permuted one":   {iota32(6, 4).Permute(1, 0), []int64{2, 2, 3, 2}, []int64{2, 1, 8, 4}},
		"across a permutation":   {iota32(6, 4).Permute(1, 0), []int64{3, 8}, nil},
		"join half a block":      {iota32(2, 3, 4).Permute(1, 2, 0), []int64{12, 2}, []int64{1, 12}},
		"gap":                    {iota32(4, 6).Slice(1, 0, 5), []int64{20}, nil},
		"gap, split only":        {iota32(4, 6).Slice(1, 0, 4), []int64{2, 2, 2, 2}, []int64{12, 6, 2, 1}},
		"rows of a slice":        {iota32(4, 6).Slice(0, 1, 3), []int64{12}, []int64{1}},
		"reversed":               {iota32(12).Reverse(0), []int64{3, 4}, []int64{-4, -1}},
		"reversed rows only":     {iota32(3, 4).Reverse(0), []int64{12}, nil},
		"both reversed":          {iota32(3, 4).Reverse(0).Reverse(1), []int64{12}, []int64{-1}},
		"expanded":               {iota32(1).Expand(12), []int64{3, 4}, []int64{0, 0}},
		"expanded with a tensor": {iota32(3).Expand(4, 3), []int64{12}, nil},
		"ones come and go":       {iota32(1, 6, 1), []int64{2, 1, 3, 1}, []int64{3, 3, 1, 1}},
		"empty":                  {iota32(0, 4), []int64{5, 0}, []int64{1, 1}},
		"empty, inferred":        {iota32(0, 4), []int64{5, -1}, []int64{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			y := c.x.Reshape(c.to...)
			if c.strides == nil {
				require.ErrorIs(t, y.Err(), ErrNeedsCopy)
				return
			}
			require.Equal(t, values(t, c.x), values(t, y))
			require.Equal(t, c.strides, y.Layout().Strides())
		})
	}
}

// TestReshapeRandom: whatever Reshape accepts keeps the elements, and it accepts
// everything that a further split of an accepted shape would need.
func TestReshapeRandom(t *testing.T) {
	rng := seeded(t)
	accepted := 0
	for range rounds(3000) {
		x, _ := randomTensor(rng, Int32, 500)
		var shape []int64
		for left := x.Count(); left > 1 || rng.IntN(2) == 0; {
			f := left
			if rng.IntN(3) > 0 {
				f = 1 + rng.Int64N(left)
			}
			if left%f == 0 {
				shape = append(shape, f)
				left /= f
			}
			if len(shape) == 8 {
				break
			}
		}
		y := x.Reshape(shape...)
		if y.Err() != nil {
			continue
		}
		accepted++
		require.Equal(t, values(t, x), values(t, y), "%v to %v", x, y)
		require.NoError(t, y.Reshape(x.Shape()...).Err(), "%v to %v and back", x, y)
	}
	require.Greater(t, accepted, rounds(300))
}
