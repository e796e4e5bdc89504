package layouts

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func counts() []int64 {
	return []int64{0, 1, 2, 3, 4, 6, 7, 8, 12, 16, 17, 60, 64, 97, 100, 210, 512, 1000, 1021, 4096, 30030}
}

func TestShapes(t *testing.T) {
	for _, tc := range []struct {
		name  Name
		count int64
		want  []int64
	}{
		{Contiguous, 1 << 22, []int64{2048, 2048}},
		{Transpose, 1 << 24, []int64{4096, 4096}},
		{Transpose, 12, []int64{3, 4}},
		{Transpose, 2, []int64{1, 2}},
		{Slice, 1021, []int64{1, 1021}},
		{Column, 0, []int64{1, 0}},
		{ChannelsLast, 1 << 22, []int64{4, 64, 128, 128}},
		{ChannelsLast, 16, []int64{2, 2, 2, 2}},
		{Mixed, 1 << 24, []int64{4, 64, 256, 256}},
		{Mixed, 7, []int64{1, 1, 1, 7}},
		{Mixed, 0, []int64{1, 1, 1, 0}},
	} {
		require.Equal(t, tc.want, tc.name.Shape(tc.count), "%s of %d", tc.name, tc.count)
	}
}

// A layout is right when its elements are distinct storage elements, clear of
// the guards, and exactly as many as asked for.
func TestLayoutsAreViewsOfDistinctElements(t *testing.T) {
	for _, name := range Names() {
		for _, count := range counts() {
			for rank := range 6 {
				s := New(name, rank, count)
				require.Equal(t, count, s.Count())
				require.Equal(t, name.Shape(count), s.Shape, "the shape must not depend on the rank")
				require.Len(t, s.Strides, len(s.Shape))
				at := offsets(s)
				require.Len(t, at, int(count))
				slices.Sort(at)
				require.Len(t, slices.Compact(at), int(count), "%s of %d", name, count)
				if count > 0 {
					require.GreaterOrEqual(t, at[0], int64(guard))
					require.Less(t, at[count-1], s.Storage-guard)
				}
			}
		}
	}
}

// A tensor of blocks has blocks that are as those of the layout's own shape, one after
// the other in logical order.
func TestBlocksAreShapedAlike(t *testing.T) {
	for _, name := range Names() {
		for _, count := range counts() {
			for rank := range 6 {
				s := Blocks(name, rank, count, 3)
				require.Equal(t, 3*count, s.Count())
				want := name.Shape(count)
				want[0] *= 3
				require.Equal(t, want, s.Shape)
				at := offsets(s)
				slices.Sort(at)
				require.Len(t, slices.Compact(at), int(3*count), "%s of %d", name, count)
				if count > 0 {
					require.GreaterOrEqual(t, at[0], int64(guard))
					require.Less(t, at[3*count-1], s.Storage-guard)
				}
			}
		}
	}
}

// offsets lists the storage elements of a tensor in logical order.
func offsets(s Spec) []int64 {
	at := []int64{s.Offset}
	for dim, n := range s.Shape {
		var next []int64
		for _, base := range at {
			for i := range n {
				next = append(next, base+i*s.Strides[dim])
			}
		}
		at = next
	}
	return at
}

func TestStrides(t *testing.T) {
	const count = 1 << 22
	for _, tc := range []struct {
		name    Name
		strides []int64
		gaps    bool
	}{
		{Contiguous, []int64{2048, 1}, false},
		{Transpose, []int64{1, 2048}, false},
		{ChannelsLast, []int64{64 * 128 * 128, 1, 64 * 128, 64}, false},
		{Slice, []int64{2048 + 6, 1}, true},
		{Column, []int64{2048 * 3, 3}, true},
		{Reverse, []int64{-2048, -1}, false},
	} {
		s := New(tc.name, 0, count)
		require.Equal(t, tc.strides, s.Strides, tc.name)
		require.Equal(t, tc.gaps, s.HasGaps(), tc.name)
	}
}

func TestMixedDealsEveryLayout(t *testing.T) {
	var dealt []Name
	for rank := range 6 {
		dealt = append(dealt, Mixed.OnRank(rank))
	}
	require.Equal(t, Names()[:6], dealt)
	require.Equal(t, Contiguous, Mixed.OnRank(6))
	require.Equal(t, Slice, Slice.OnRank(1))

	strides := map[string]bool{}
	for rank := range 6 {
		s := New(Mixed, rank, 1<<12)
		strides[fmt.Sprint(s.Strides)] = true
	}
	require.Len(t, strides, 6, "every rank should have strides of its own")
}

func TestRoot(t *testing.T) {
	for n := int64(0); n < 5000; n++ {
		for k := 2; k <= 4; k++ {
			r := root(n, k)
			require.LessOrEqual(t, power(r, k), n)
			require.Greater(t, power(r+1, k), n)
		}
	}
	require.Equal(t, int64(1<<20), root(1<<40, 2))
	require.Equal(t, int64(1<<20-1), root(1<<40-1, 2))
}
