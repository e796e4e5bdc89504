package strided

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSameRange: ranges that slices, selections and other shapes are, and those that only
// look like it.
func TestSameRange(t *testing.T) {
	type ints = []int64
	rows := iota32(5, 8).Slice(1, 0, 4) // with gaps
	mixed := iota32(64).AsStrided(ints{2, 2, 2}, ints{5, 7, 1}, 0)
	for name, c := range map[string]struct {
		whole Tensor
		lo    int64
		part  func(whole Tensor) Tensor
		want  bool
	}{
		"rows":                     {iota32(5, 4), 8, func(x Tensor) Tensor { return x.Slice(0, 2, 5) }, true},
		"rows as one dimension":    {iota32(5, 4), 8, func(x Tensor) Tensor { return x.Flatten().Slice(0, 8, 20) }, true},
		"across rows":              {iota32(5, 4), 3, func(x Tensor) Tensor { return x.Flatten().Slice(0, 3, 9).Reshape(2, 3) }, true},
		"rows with gaps":           {rows, 8, func(x Tensor) Tensor { return x.Slice(0, 2, 5) }, true},
		"in another shape":         {rows, 8, func(x Tensor) Tensor { return x.Slice(0, 2, 4).Reshape(2, 2, 1, 2) }, true},
		"within a row":             {rows, 9, func(x Tensor) Tensor { return x.Select(0, 2).Slice(0, 1, 3) }, true},
		"two elements, two rows":   {rows, 3, func(x Tensor) Tensor { return x.AsStrided(ints{2}, ints{5}, 3) }, true},
		"halves of two rows":       {rows, 2, func(x Tensor) Tensor { return x.AsStrided(ints{2, 2}, ints{6, 1}, 2) }, true},
		"dense over gaps":          {rows, 2, func(x Tensor) Tensor { return x.AsStrided(ints{4}, ints{1}, 2) }, false},
		"regular by coincidence":   {mixed, 1, func(x Tensor) Tensor { return x.AsStrided(ints{2}, ints{6}, 1) }, true},
		"the wrong rows":           {rows, 4, func(x Tensor) Tensor { return x.Slice(0, 2, 5) }, false},
		"columns":                  {iota32(4, 4), 4, func(x Tensor) Tensor { return x.Permute(1, 0).Slice(0, 1, 2) }, false},
		"columns of a transposed":  {iota32(4, 4).Permute(1, 0), 4, func(x Tensor) Tensor { return x.Slice(0, 1, 3) }, true},
		"reversed":                 {iota32(4, 4), 4, func(x Tensor) Tensor { return x.Slice(0, 1, 2).Reverse(1) }, false},
		"a reversed one's":         {iota32(4, 4).Reverse(0), 4, func(x Tensor) Tensor { return x.Slice(0, 1, 3) }, true},
		"beyond the end":           {iota32(4), 3, func(x Tensor) Tensor { return x.Slice(0, 2, 4) }, false},
		"before the beginning":     {iota32(4), -1, func(x Tensor) Tensor { return x.Slice(0, 0, 2) }, false},
		"nothing":                  {iota32(4), 4, func(x Tensor) Tensor { return x.Slice(0, 0, 0) }, true},
		"expanded":                 {iota32(4, 1).Expand(4, 3), 3, func(x Tensor) Tensor { return x.Slice(0, 1, 2) }, true},
		"other memory":             {iota32(4), 0, func(Tensor) Tensor { return iota32(4) }, false},
		"elements of another size": {iota32(4), 0, func(x Tensor) Tensor { return FromPointer(Int8, x.address(0), 4) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			part := c.part(c.whole)
			require.NoError(t, part.Err())
			require.Equal(t, c.want, SameRange(c.whole, c.lo, part))
		})
	}
}

// TestSameRangeAgainstEnumeration compares with the places of all elements, for layouts
// so small that ranges are regular by coincidence, too.
func TestSameRangeAgainstEnumeration(t *testing.T) {
	rng := seeded(t)
	memory := iota32(4096)
	tensor := func(most int) Tensor {
		shape, strides := make([]int64, rng.IntN(most)), make([]int64, 4)
		for i := range shape {
			shape[i] = 1 + rng.Int64N(4)
			strides[i] = rng.Int64N(25) - 12
		}
		return memory.AsStrided(shape, strides[:len(shape)], 2000+rng.Int64N(4))
	}
	found := 0
	for range rounds(400000) {
		whole, part := tensor(5), tensor(4)
		lo := rng.Int64N(whole.Count())
		at := places(whole.Layout(), Logical)
		l := part.Layout()
		if rng.IntN(4) > 0 { // let it begin where the range does
			part = memory.AsStrided(l.Shape(), l.Strides(), at[lo])
		}
		if rng.IntN(4) == 0 { // and be one
			if x := whole; len(x.Shape()) > 0 {
				from := rng.Int64N(x.Layout().Size(0))
				part, lo = x.Slice(0, from, x.Layout().Size(0)), from*x.Count()/x.Layout().Size(0)
			}
		}
		want := lo+part.Count() <= whole.Count() && slices.Equal(at[lo:lo+part.Count()], places(part.Layout(), Logical))
		if want && part.Count() > 1 {
			found++
		}
		require.Equal(t, want, SameRange(whole, lo, part), "%v from %d on and %v", whole.Layout(), lo, part.Layout())
	}
	require.Greater(t, found, 1000)
}
