//go:build cgo && linux

package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExtent(t *testing.T) {
	for _, c := range []struct {
		shape, strides   []int64
		below, above     int64
		elements, refuse bool
	}{
		{nil, nil, 0, 0, true, false},
		{[]int64{3, 4}, []int64{4, 1}, 0, 11, true, false},
		{[]int64{3, 4}, []int64{-4, 1}, 8, 3, true, false},
		{[]int64{3, 4}, []int64{0, 0}, 0, 0, true, false},
		{[]int64{3, 0}, []int64{math.MinInt64, math.MaxInt64}, 0, 0, false, false},
		{[]int64{1}, []int64{math.MinInt64}, 0, 0, true, false},
		{[]int64{2}, []int64{math.MinInt64}, 0, 0, false, true},
		{[]int64{math.MaxInt64, math.MaxInt64}, []int64{math.MaxInt64, 1}, 0, 0, false, true},
		{[]int64{1 << 56, 1 << 56}, []int64{1, 1}, 0, 0, false, true},
		{[]int64{0, -1}, []int64{1, 1}, 0, 0, false, true},
	} {
		below, above, some, ok := extent(c.shape, c.strides)
		require.Equal(t, !c.refuse, ok, c)
		require.Equal(t, c.elements, some, c)
		require.Equal(t, c.below, below, c)
		require.Equal(t, c.above, above, c)
	}
}

// The extent of random layouts is what going through all their elements finds.
func TestExtentOfAllElements(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		shape, strides := make([]int64, r.IntN(4)), make([]int64, 4)
		offsets := []int64{0}
		for i := range shape {
			shape[i], strides[i] = 1+r.Int64N(4), r.Int64N(21)-10
			var next []int64
			for _, o := range offsets {
				for k := range shape[i] {
					next = append(next, o+k*strides[i])
				}
			}
			offsets = next
		}
		least, most := int64(0), int64(0)
		for _, o := range offsets {
			least, most = min(least, o), max(most, o)
		}
		below, above, some, ok := extent(shape, strides)
		require.True(t, ok && some)
		require.Equal(t, -least, below, "%v %v", shape, strides)
		require.Equal(t, most, above, "%v %v", shape, strides)
	}
}
