package strided

import (
	"fmt"
	"slices"
)

// MaxDims is the largest number of dimensions of a tensor.
const MaxDims = 32

// Layout says where the elements of a tensor lie: element (i, j, …) is at
// offset + i*stride[0] + j*stride[1] + … elements from the start of the memory.
// Strides may be zero (an expanded dimension) or negative. The stride of a
// dimension of size 1 means nothing. A layout without dimensions has one
// element. Layouts do not change once made.
type Layout struct {
	dt      DType
	shape   []int64
	strides []int64
	offset  int64
	count   int64
	end     int64 // one past the highest element touched; 0 when empty
}

// NewLayout makes a layout from a shape and as many strides, all in elements;
// nil strides mean row-major contiguous. The arguments are copied. Errors wrap
// ErrDType, ErrShape, ErrTooLarge or, when elements would lie before the start
// of the memory, ErrBounds.
func NewLayout(dt DType, shape, strides []int64, offset int64) (Layout, error) {
	if strides == nil {
		strides = rowMajor(shape)
	}
	return makeLayout("NewLayout", dt, slices.Clone(shape), slices.Clone(strides), offset)
}

// makeLayout validates and keeps its slices.
func makeLayout(fn string, dt DType, shape, strides []int64, offset int64) (Layout, error) {
	if !dt.Valid() {
		return Layout{}, errorf(fn, ErrDType, "%v does not exist", dt)
	}
	if len(shape) > MaxDims {
		return Layout{}, errorf(fn, ErrShape, "%d dimensions; at most %d are supported", len(shape), MaxDims)
	}
	if len(strides) != len(shape) {
		return Layout{}, errorf(fn, ErrShape, "%d strides for %d dimensions: give one stride per dimension", len(strides), len(shape))
	}
	l := Layout{dt: dt, shape: shape, strides: strides, offset: offset}
	var err error
	if l.count, err = countOf(fn, dt, shape); err != nil || l.count == 0 {
		return l, err
	}
	limit := maxBytes / int64(dt.Size())
	if magnitude(offset) > uint64(limit) {
		return Layout{}, errorf(fn, ErrTooLarge, "offset %d: no memory has so many elements", offset)
	}
	low, high := offset, offset
	for i, n := range shape {
		if n == 1 {
			continue
		}
		m := magnitude(strides[i])
		var reach int64
		ok := m <= uint64(limit)
		if ok {
			reach, ok = mulCapped(n-1, int64(m), limit)
		}
		if strides[i] < 0 {
			low -= reach
		} else {
			high += reach
		}
		if !ok || high > limit || low < -limit {
			return Layout{}, errorf(fn, ErrTooLarge, "stride %d of dimension %d (size %d): no memory reaches so far", strides[i], i, n)
		}
	}
	if low < 0 {
		return Layout{}, errorf(fn, ErrBounds, "the lowest element lies %d elements before the start of the memory (shape %v, strides %v, offset %d)", -low, shape, strides, offset)
	}
	l.end = high + 1
	return l, nil
}

// countOf is the product of the sizes; an empty dimension makes it 0 whatever
// the others are.
func countOf(fn string, dt DType, shape []int64) (int64, error) {
	for i, n := range shape {
		if n < 0 {
			return 0, errorf(fn, ErrShape, "dimension %d has size %d", i, n)
		}
	}
	if slices.Contains(shape, 0) {
		return 0, nil
	}
	count, limit := int64(1), maxBytes/int64(dt.Size())
	for _, n := range shape {
		var ok bool
		if count, ok = mulCapped(count, n, limit); !ok {
			return 0, errorf(fn, ErrTooLarge, "shape %v: no memory holds so many elements", shape)
		}
	}
	return count, nil
}

// rowMajor is the strides of a contiguous tensor. For a shape that makeLayout
// refuses they may be nonsense.
func rowMajor(shape []int64) []int64 {
	strides := make([]int64, len(shape))
	step := int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = step
		step *= max(shape[i], 1)
	}
	return strides
}

// DType is the element type.
func (l Layout) DType() DType { return l.dt }

// NumDims is the number of dimensions.
func (l Layout) NumDims() int { return len(l.shape) }

// Size is the number of indices of dimension dim, 0 <= dim < NumDims.
func (l Layout) Size(dim int) int64 { return l.shape[dim] }

// Stride is the distance in elements between neighbours along dimension dim.
func (l Layout) Stride(dim int) int64 { return l.strides[dim] }

// Shape is a copy of the sizes of all dimensions.
func (l Layout) Shape() []int64 { return slices.Clone(l.shape) }

// Strides is a copy of the strides of all dimensions, in elements.
func (l Layout) Strides() []int64 { return slices.Clone(l.strides) }

// AppendShape appends the sizes of all dimensions to dst; with enough room it
// allocates nothing.
func (l Layout) AppendShape(dst []int64) []int64 { return append(dst, l.shape...) }

// Offset is the place of element (0, 0, …), in elements from the start of the
// memory.
func (l Layout) Offset() int64 { return l.offset }

// Count is the number of elements.
func (l Layout) Count() int64 { return l.count }

// Bytes is the number of bytes of the elements, packed.
func (l Layout) Bytes() int64 { return l.count * int64(l.dt.Size()) }

// End is one past the highest element of the memory that the layout touches; 0
// when it has no elements. A memory holds the layout if it has End elements.
func (l Layout) End() int64 { return l.end }

// IsContiguous reports whether the elements lie in the memory one after the
// other in logical order.
func (l Layout) IsContiguous() bool {
	if l.count == 0 {
		return true
	}
	step := int64(1)
	for i := len(l.shape) - 1; i >= 0; i-- {
		if l.shape[i] == 1 {
			continue
		}
		if l.strides[i] != step {
			return false
		}
		step *= l.shape[i]
	}
	return true
}

// SameShape reports whether l and o have the same sizes.
func (l Layout) SameShape(o Layout) bool { return slices.Equal(l.shape, o.shape) }

// String is for people: "float[4096 4096] strides [1 4096] offset 0".
func (l Layout) String() string {
	return fmt.Sprintf("%v%v strides %v offset %d", l.dt, l.shape, l.strides, l.offset)
}
