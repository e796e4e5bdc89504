package strided

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemoryWalk(t *testing.T) {
	for name, c := range map[string]struct {
		x    Tensor
		want string
	}{
		"contiguous":             {iota32(4, 5, 6), "logical"},
		"transposed":             {iota32(4, 5).Permute(1, 0), "1,0"},
		"channels last":          {iota32(2, 8, 9, 3).Permute(0, 3, 1, 2), "0,2,3,1"},
		"rows of a matrix":       {iota32(4, 5).Slice(1, 0, 2), "logical"},
		"reversed":               {iota32(4, 5).Reverse(1), "0,-1"},
		"reversed outside":       {iota32(4, 5).Reverse(0), "-0,1"},
		"reversed, transposed":   {iota32(4, 5).Reverse(0).Permute(1, 0), "-1,0"},
		"size 1 is not counted":  {iota32(4, 1, 5).Permute(2, 1, 0), "1,0"},
		"expanded outside":       {iota32(5).Expand(4, 5), "logical"},
		"expanded inside":        {iota32(5, 1).Expand(5, 4), "1,0"},
		"several expanded":       {iota32(1, 5, 1).Expand(3, 5, 4), "0,2,1"},
		"equal strides":          {iota32(20).AsStrided([]int64{3, 4}, []int64{1, 1}, 0), "logical"},
		"scalar":                 {iota32(1), "logical"},
		"empty":                  {iota32(4, 5).Permute(1, 0).Slice(0, 0, 0), "logical"},
		"12 dimensions":          {iota32(2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2).Permute(11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), "11,10,9,8,7,6,5,4,3,2,1,0"},
		"13 dimensions":          {iota32(2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2).Permute(12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), "logical"},
		"13 dimensions, one a 1": {iota32(2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2).Permute(1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), "1,0,2,3,4,5,6,7,8,9,10,11"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, c.x.Err())
			w := c.x.Layout().MemoryWalk()
			require.Equal(t, c.want, w.String())
			require.NoError(t, w.Validate(c.x.Shape()))
		})
	}
}

// TestMemoryWalkOfDense: however a dense tensor is permuted and reversed, its
// memory walk visits the memory from end to end in one run.
func TestMemoryWalkOfDense(t *testing.T) {
	rng := seeded(t)
	for range 1000 {
		shape := make([]int64, rng.IntN(8))
		for i := range shape {
			shape[i] = 1 + rng.Int64N(4)
		}
		x := iota32(shape...)
		x = x.Permute(rng.Perm(len(shape))...)
		for d := range shape {
			if rng.IntN(3) == 0 {
				x = x.Reverse(d)
			}
		}
		l := x.Layout()
		w := l.MemoryWalk()
		at := places(l, w)
		require.True(t, slices.IsSorted(at), "%v in walk %v", x, w)
		v, err := x.View(w)
		require.NoError(t, err)
		require.True(t, v.IsContiguous(), "%v in walk %v", x, w)
		// The same code if and only if it is the same order.
		require.Equal(t, w == Logical, slices.Equal(at, places(l, Logical)))
	}
}

func TestWalkValidate(t *testing.T) {
	swap := makeWalk([]int{1, 0}, []bool{false, false})
	for name, c := range map[string]struct {
		w     Walk
		shape []int64
		ok    bool
	}{
		"logical of anything": {Logical, []int64{3, 0, -1}, true},
		"swap":                {swap, []int64{3, 4}, true},
		"swap around a 1":     {swap, []int64{3, 1, 4}, true},
		"too few dimensions":  {swap, []int64{3, 1}, false},
		"too many dimensions": {swap, []int64{3, 4, 5}, false},
		"empty":               {swap, []int64{3, 0}, false},
		"backwards":           {makeWalk([]int{0}, []bool{true}), []int64{3}, true},
		"identity":            {2<<60 | 1<<4, []int64{3, 4}, false},
		"repeated dimension":  {2<<60 | 1<<4 | 1, []int64{3, 4}, false},
		"no such dimension":   {2<<60 | 2, []int64{3, 4}, false},
		"stray bits":          {swap | 1<<8, []int64{3, 4}, false},
		"stray direction":     {swap | 1<<50, []int64{3, 4}, false},
		"no dimensions":       {1, nil, false},
		"13 dimensions":       {13 << 60, []int64{2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, false},
		"all ones":            {math.MaxUint64, []int64{3, 4}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.w.Validate(c.shape)
			if c.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ErrWalk)
			}
			_ = c.w.String()
		})
	}
}
