package engine_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/monel-dev/monel/strided"
)

// poison fills memory that no collective may write.
const poison = 0xA5

// placed is a tensor in storage of its own, with poison around and between its
// elements.
type placed struct {
	name    string
	tensor  strided.Tensor
	storage []byte
	at      []int64     // byte offset of every logical element
	there   *deviceCopy // where the tensor is, if it is a device's; storage is the test's copy
}

// layout makes tensors of any shape in one particular way. The result has the
// requested shape whatever the storage looks like.
type layout struct {
	name string
	// make returns the storage's element count and the view of it.
	make func(shape []int64) (elements int64, view func(strided.Tensor) strided.Tensor)
}

func product(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return n
}

// permuted stores the dimensions in another order.
func permuted(order func(dims int) []int) func([]int64) (int64, func(strided.Tensor) strided.Tensor) {
	return func(shape []int64) (int64, func(strided.Tensor) strided.Tensor) {
		perm := order(len(shape)) // storage dimension i holds logical dimension perm[i]
		stored := make([]int64, len(shape))
		back := make([]int, len(shape))
		for i, d := range perm {
			stored[i] = shape[d]
			back[d] = i
		}
		return product(shape), func(t strided.Tensor) strided.Tensor { return t.Reshape(stored...).Permute(back...) }
	}
}

// layouts are the ways in which tensors lie in memory here. They work for any
// number of dimensions.
var layouts = []layout{
	{"contiguous", func(shape []int64) (int64, func(strided.Tensor) strided.Tensor) {
		return product(shape), func(t strided.Tensor) strided.Tensor { return t.Reshape(shape...) }
	}},
	{"transpose", permuted(func(dims int) []int {
		order := make([]int, dims)
		for i := range order {
			order[i] = dims - 1 - i
		}
		return order
	})},
	// The second dimension last, as NHWC stores NCHW.
	{"channels_last", permuted(func(dims int) []int {
		order := make([]int, 0, dims)
		for i := range dims {
			if i != 1 {
				order = append(order, i)
			}
		}
		if dims > 1 {
			order = append(order, 1)
		}
		return order
	})},
	// A window: rows with gaps between them.
	{"slice", func(shape []int64) (int64, func(strided.Tensor) strided.Tensor) {
		wide := slices.Clone(shape)
		last := len(wide) - 1
		wide[last] += 5
		return product(wide), func(t strided.Tensor) strided.Tensor {
			return t.Reshape(wide...).Slice(last, 2, 2+shape[last])
		}
	}},
	// One column of a matrix: every element stands alone.
	{"column", func(shape []int64) (int64, func(strided.Tensor) strided.Tensor) {
		wide := append(slices.Clone(shape), 3)
		return product(wide), func(t strided.Tensor) strided.Tensor {
			return t.Reshape(wide...).Select(len(shape), 1)
		}
	}},
	{"reverse", func(shape []int64) (int64, func(strided.Tensor) strided.Tensor) {
		return product(shape), func(t strided.Tensor) strided.Tensor {
			t = t.Reshape(shape...)
			for i := range shape {
				if i%2 == 0 {
					t = t.Reverse(i)
				}
			}
			return t
		}
	}},
	// Every other element of the first dimension, backwards, transposed.
	{"steps", func(shape []int64) (int64, func(strided.Tensor) strided.Tensor) {
		dims := len(shape)
		stored := slices.Clone(shape)
		slices.Reverse(stored)
		stored[dims-1] = stored[dims-1]*2 + 1
		back := make([]int, dims)
		for i := range back {
			back[i] = dims - 1 - i
		}
		return product(stored), func(t strided.Tensor) strided.Tensor {
			t = t.Reshape(stored...)
			t = t.Slice(dims-1, 1, stored[dims-1]).Step(dims-1, 2)
			return t.Permute(back...).Reverse(0)
		}
	}},
}

func layoutNamed(name string) layout {
	for _, l := range layouts {
		if l.name == name {
			return l
		}
	}
	panic("no layout " + name)
}

// place makes a tensor of this layout in fresh storage, with a margin of
// poison before and behind.
func (l layout) place(t testing.TB, dt strided.DType, shape []int64) placed {
	t.Helper()
	elements, view := l.make(shape)
	return placeView(t, l.name, dt, elements, view)
}

func placeView(t testing.TB, name string, dt strided.DType, elements int64, view func(strided.Tensor) strided.Tensor) placed {
	t.Helper()
	const margin = 64
	size := int64(dt.Size())
	words := make([]uint64, (elements*size+2*margin+7)/8+1) // aligned for every dtype
	storage := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))
	for i := range storage {
		storage[i] = poison
	}
	base := strided.FromBytes(dt, storage[margin:margin+elements*size])
	there := copyToDevice(t, storage)
	if there != nil {
		base = strided.FromDevice(dt, uint64(there.at)+margin, elements*size)
	}
	tensor := view(base)
	if err := tensor.Err(); err != nil {
		t.Fatalf("layout %s: %v", name, err)
	}
	p := placed{name: name, tensor: tensor, storage: storage, there: there}
	p.at = offsets(tensor.Layout(), margin)
	return p
}

// offsets lists the byte offset of every element in logical order, by the
// definition of strides and nothing else.
func offsets(l strided.Layout, margin int64) []int64 {
	shape, strides := l.Shape(), l.Strides()
	at := make([]int64, 0, l.Count())
	index := make([]int64, len(shape))
	for range l.Count() {
		element := l.Offset()
		for d := range index {
			element += index[d] * strides[d]
		}
		at = append(at, margin+element*int64(l.DType().Size()))
		for d := len(index) - 1; d >= 0; d-- {
			if index[d]++; index[d] < shape[d] {
				break
			}
			index[d] = 0
		}
	}
	return at
}

// fill writes value(i) to logical element i.
func (p *placed) fill(value func(i int) scalar) {
	dt := p.tensor.DType()
	for i, at := range p.at {
		value(i).store(dt, p.storage[at:])
	}
	p.there.write(p.storage)
}

// check compares every element with want(i), and every other byte with poison.
// It restores the poison as it goes, so it can be called once.
func (p *placed) check(want func(i int) scalar) error {
	p.there.read(p.storage)
	defer p.there.free()
	size := p.tensor.DType().Size()
	var expected [8]byte
	for i, at := range p.at {
		got := p.storage[at : at+int64(size)]
		want(i).store(p.tensor.DType(), expected[:])
		if !bytes.Equal(got, expected[:size]) {
			return fmt.Errorf("layout %s: element %d is % x, want % x", p.name, i, got, expected[:size])
		}
	}
	for _, at := range p.at {
		for b := range int64(size) {
			p.storage[at+b] = poison
		}
	}
	for i, b := range p.storage {
		if b != poison {
			return fmt.Errorf("layout %s: byte %d of the storage, which belongs to no element, was written", p.name, i)
		}
	}
	return nil
}
