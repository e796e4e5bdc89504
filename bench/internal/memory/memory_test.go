package memory

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/oracle"
)

func newTensor(t *testing.T, name layouts.Name, count int64, size int) Tensor {
	t.Helper()
	s := layouts.New(name, 0, count)
	b, err := Allocate(s.Storage * int64(size))
	require.NoError(t, err)
	return Tensor{Spec: s, Size: size, Bytes: b}
}

// logical lists the storage elements of a tensor in logical order, by the
// definition of strides.
func logical(s layouts.Spec) []int64 {
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

func everyTensor(t *testing.T, check func(t *testing.T, x Tensor)) {
	for _, name := range layouts.Names() {
		for _, count := range []int64{0, 1, 2, 7, 64, 210, 1024} {
			for _, size := range []int{1, 2, 4, 8} {
				t.Run(fmt.Sprint(name, "/", count, "/", size), func(t *testing.T) {
					check(t, newTensor(t, name, count, size))
				})
			}
		}
	}
}

func TestFillPutsTheClassOfTheLogicalIndexAtTheElement(t *testing.T) {
	const seed = 3
	values := oracle.Copy(0, seed)
	everyTensor(t, func(t *testing.T, x Tensor) {
		x.Fill(oracle.Whole(values), seed)
		for i, at := range logical(x.Spec) {
			got := uint64(0)
			for b := range x.Size {
				got |= uint64(x.Bytes[int(at)*x.Size+b]) << (8 * b)
			}
			want := values[oracle.Class(seed, int64(i))] & (^uint64(0) >> (64 - 8*x.Size))
			require.Equal(t, want, got)
		}
		require.Zero(t, x.Wrong(oracle.Whole(values), seed))
	})
}

// Every single changed element of the storage must be counted, once, whether it
// is the tensor's, a gap's or a guard's.
func TestWrongSeesEveryChangedElement(t *testing.T) {
	const seed = 4
	values := oracle.Copy(0, seed)
	for _, name := range layouts.Names() {
		for _, size := range []int{1, 2, 4, 8} {
			x := newTensor(t, name, 12, size)
			for i := range int(x.Spec.Storage) {
				x.Fill(oracle.Whole(values), seed)
				x.Bytes[i*size+size-1] ^= 0x40
				require.EqualValues(t, 1, x.Wrong(oracle.Whole(values), seed), "%s, %d bytes, storage element %d", name, size, i)
			}
		}
	}
}

func TestWrongCountsAll(t *testing.T) {
	const seed = 5
	everyTensor(t, func(t *testing.T, x Tensor) {
		x.Fill(oracle.Whole(oracle.Copy(0, seed)), seed)
		count := x.Wrong(oracle.Whole(oracle.Copy(1, seed)), seed)
		if x.Spec.Count() > 0 {
			require.Positive(t, count)
		}
		require.LessOrEqual(t, count, x.Spec.Count())
		require.GreaterOrEqual(t, count, x.Spec.Count()*9/10)
	})
}

// Two elements that changed places are seen, unless they hold the same value.
func TestWrongSeesMisplacedElements(t *testing.T) {
	const seed = 6
	values := oracle.Copy(0, seed)
	x := newTensor(t, layouts.Transpose, 4096, 4)
	x.Fill(oracle.Whole(values), seed)
	swapped := x
	swapped.Spec.Strides = []int64{x.Spec.Strides[1], x.Spec.Strides[0]} // not transposed after all
	require.Greater(t, swapped.Wrong(oracle.Whole(values), seed), int64(4096*9/10))
}

// Copying a gap along with the elements around it must not go unseen because
// both sides have the same poison.
func TestPoisonDiffersBetweenTags(t *testing.T) {
	const seed = 7
	values := oracle.Copy(0, seed)
	x := newTensor(t, layouts.Slice, 4096, 4)
	x.Fill(oracle.Whole(values), seed)
	y := x
	y.Tag = 1
	gaps := x.Spec.Storage - x.Spec.Count()
	require.InDelta(t, gaps, y.Wrong(oracle.Whole(values), seed), 2)
}

func TestRowsVisitInMemoryOrder(t *testing.T) {
	var got []row
	for r := range rows(layouts.New(layouts.Transpose, 0, 12)) { // 3 x 4, stored 4 x 3
		got = append(got, r)
	}
	require.Equal(t, []row{
		{at: 64, stride: 1, index: 0, increase: 4, n: 3},
		{at: 67, stride: 1, index: 1, increase: 4, n: 3},
		{at: 70, stride: 1, index: 2, increase: 4, n: 3},
		{at: 73, stride: 1, index: 3, increase: 4, n: 3},
	}, got)
	for range rows(layouts.New(layouts.Slice, 0, 100)) {
		break // must not go on after the loop has ended
	}
}

func TestAllocateIsAlignedAndZero(t *testing.T) {
	for _, size := range []int64{0, 1, 100, 1 << 20} {
		b, err := Allocate(size)
		require.NoError(t, err)
		require.Len(t, b, int(size))
		require.Zero(t, uintptr(unsafe.Pointer(unsafe.SliceData(b)))%64)
		for _, v := range b {
			require.Zero(t, v)
		}
	}
}

func BenchmarkWrong(b *testing.B) {
	for _, name := range layouts.Names() {
		b.Run(string(name), func(b *testing.B) {
			s := layouts.New(name, 0, 1<<22)
			storage, err := Allocate(s.Storage * 4)
			require.NoError(b, err)
			x := Tensor{Spec: s, Size: 4, Bytes: storage}
			values := oracle.Copy(0, 1)
			x.Fill(oracle.Whole(values), 1)
			b.SetBytes(s.Count() * 4)
			for b.Loop() {
				x.Wrong(oracle.Whole(values), 1)
			}
		})
	}
}
