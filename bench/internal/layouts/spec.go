// Package layouts builds the tensors that the bench moves: for every element
// count and every named layout, a shape, strides, and the storage around them.
package layouts

import "slices"

// guard is the number of storage elements before and after a tensor that
// belong to nobody. They show writes out of bounds. It keeps a tensor aligned
// to 64 bytes, whatever its type.
const guard = 64

// wider is how many columns a Slice's matrix has beyond the window, on each
// side, and spread how many columns a Column's matrix has.
const (
	wider  = 3
	spread = 3
)

// Spec is a tensor in its storage. All numbers are in elements.
type Spec struct {
	Shape   []int64
	Strides []int64
	Offset  int64 // of the element with all indices 0, in storage
	Storage int64 // length of the storage, guards included
}

// New is the tensor of count elements that rank has under layout name.
func New(name Name, rank int, count int64) Spec {
	return name.lay(rank, name.Shape(count))
}

// Blocks is the tensor under layout name that rank has of blocks tensors of count
// elements: New's with a first dimension so many times as long.
func Blocks(name Name, rank int, count int64, blocks int) Spec {
	shape := name.Shape(count)
	shape[0] *= int64(blocks)
	return name.lay(rank, shape)
}

// lay is a tensor of a shape on a rank.
func (n Name) lay(rank int, shape []int64) Spec {
	switch n.OnRank(rank) {
	case Transpose:
		order := identity(len(shape))
		last := len(order) - 1
		order[last], order[last-1] = order[last-1], order[last]
		return InOrder(shape, order)
	case ChannelsLast:
		return InOrder(shape, []int{0, 2, 3, 1})
	case Slice:
		return slice(shape)
	case Column:
		return column(shape)
	case Reverse:
		return reverse(shape)
	default:
		return InOrder(shape, identity(len(shape)))
	}
}

// Count is the number of the tensor's elements.
func (s Spec) Count() int64 { return product(s.Shape) }

// HasGaps reports whether the storage has elements between the tensor's own.
func (s Spec) HasGaps() bool { return s.Storage > s.Count()+2*guard }

// InOrder is a tensor without gaps whose dimensions lie in memory in the given
// order, outermost first.
func InOrder(shape []int64, order []int) Spec {
	strides := make([]int64, len(shape))
	next := int64(1)
	for _, dim := range slices.Backward(order) {
		strides[dim] = next
		next *= shape[dim]
	}
	return Spec{Shape: shape, Strides: strides, Offset: guard, Storage: product(shape) + 2*guard}
}

func slice(shape []int64) Spec {
	last := len(shape) - 1
	wide := slices.Clone(shape)
	wide[last] += 2 * wider
	s := InOrder(wide, identity(len(wide)))
	s.Shape = shape
	s.Offset += wider
	return s
}

// Window is a matrix of rows × cols elements, each row within a row of pitch
// elements in memory.
func Window(rows, cols, pitch int64) Spec {
	s := InOrder([]int64{rows, pitch}, []int{0, 1})
	s.Shape = []int64{rows, cols}
	return s
}

func column(shape []int64) Spec {
	s := InOrder(shape, identity(len(shape)))
	for i := range s.Strides {
		s.Strides[i] *= spread
	}
	s.Offset += spread / 2
	s.Storage = product(shape)*spread + 2*guard
	return s
}

func reverse(shape []int64) Spec {
	s := InOrder(shape, identity(len(shape)))
	for i := range s.Strides {
		s.Strides[i] = -s.Strides[i]
	}
	s.Offset += max(product(shape)-1, 0)
	return s
}

func identity(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

func product(dims []int64) int64 {
	p := int64(1)
	for _, d := range dims {
		p *= d
	}
	return p
}

// Guards is where the storage between the guards begins and ends.
func (s Spec) Guards() (front, back int64) { return guard, s.Storage - guard }
