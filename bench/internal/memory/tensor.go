package memory

import (
	"unsafe"

	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/oracle"
)

// Tensor is a tensor of the bench in its storage: Spec.Storage elements of
// Size bytes, which hold the tensor, what lies between its elements, and the
// guards around it.
type Tensor struct {
	Spec  layouts.Spec
	Size  int    // bytes per element: 1, 2, 4 or 8
	Bytes []byte // the storage, aligned to Size
	Tag   uint64 // makes its poison differ from that of tensors with another tag
}

// Fill writes values to the tensor's elements, by their classes under seed,
// and poison to everything else.
func (t Tensor) Fill(values oracle.Contents, seed uint64) {
	switch t.Size {
	case 1:
		fill(view[uint8](t), t.Spec, values, seed, t.Tag)
	case 2:
		fill(view[uint16](t), t.Spec, values, seed, t.Tag)
	case 4:
		fill(view[uint32](t), t.Spec, values, seed, t.Tag)
	default:
		fill(view[uint64](t), t.Spec, values, seed, t.Tag)
	}
}

// Wrong counts the elements that are not values' and the elements of the
// storage around and between them that are not the poison of Fill with the same
// seed and Tag. It destroys the tensor where it has gaps: it writes poison over the
// elements, which is how it tells gaps from elements without a map.
func (t Tensor) Wrong(values oracle.Contents, seed uint64) int64 {
	switch t.Size {
	case 1:
		return wrong(view[uint8](t), t.Spec, values, seed, t.Tag)
	case 2:
		return wrong(view[uint16](t), t.Spec, values, seed, t.Tag)
	case 4:
		return wrong(view[uint32](t), t.Spec, values, seed, t.Tag)
	default:
		return wrong(view[uint64](t), t.Spec, values, seed, t.Tag)
	}
}

type bits interface {
	uint8 | uint16 | uint32 | uint64
}

// view is the storage as elements: their bit patterns, in the host's order.
func view[T bits](t Tensor) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(t.Bytes))), t.Spec.Storage)
}

func fill[T bits](storage []T, s layouts.Spec, values oracle.Contents, seed, tag uint64) {
	poisonSeed := oracle.Mix(^seed, tag)
	for lo, hi := range outside(s) {
		for i := lo; i < hi; i++ {
			storage[i] = poison[T](poisonSeed, i)
		}
	}
	short := truncate[T](values)
	for r := range rows(s) {
		at, index := r.at, r.index
		for range r.n {
			storage[at] = short.at(seed, index)
			at += r.stride
			index += r.increase
		}
	}
}

func wrong[T bits](storage []T, s layouts.Spec, values oracle.Contents, seed, tag uint64) int64 {
	poisonSeed := oracle.Mix(^seed, tag)
	count := int64(0)
	short := truncate[T](values)
	repair := s.HasGaps()
	for r := range rows(s) {
		at, index := r.at, r.index
		for range r.n {
			if storage[at] != short.at(seed, index) {
				count++
			}
			if repair {
				storage[at] = poison[T](poisonSeed, at)
			}
			at += r.stride
			index += r.increase
		}
	}
	for lo, hi := range outside(s) {
		for i := lo; i < hi; i++ {
			if storage[i] != poison[T](poisonSeed, i) {
				count++
			}
		}
	}
	return count
}

// outside yields ranges of the storage that together hold every element that
// is not the tensor's: all of it where the tensor has gaps, else the guards.
func outside(s layouts.Spec) func(yield func(lo, hi int64) bool) {
	return func(yield func(lo, hi int64) bool) {
		if s.HasGaps() {
			yield(0, s.Storage)
			return
		}
		front, back := s.Guards()
		if yield(0, front) {
			yield(back, s.Storage)
		}
	}
}

// poison is what Fill writes to storage element i when it is nobody's.
func poison[T bits](seed uint64, i int64) T { return T(oracle.Mix(seed, uint64(i))) }

// contents is oracle.Contents in the low bits of T.
type contents[T bits] struct {
	size  int64
	parts []contentsPart[T]
}

type contentsPart[T bits] struct {
	table [oracle.Classes]T
	first int64
}

func truncate[T bits](values oracle.Contents) *contents[T] {
	short := &contents[T]{size: values.Size, parts: make([]contentsPart[T], len(values.Parts))}
	for i, p := range values.Parts {
		short.parts[i].first = p.First
		for class, v := range p.Table {
			short.parts[i].table[class] = T(v)
		}
	}
	return short
}

// at is logical element i.
func (c *contents[T]) at(seed uint64, i int64) T {
	part := &c.parts[0]
	if len(c.parts) > 1 {
		k := i / c.size
		part = &c.parts[k]
		i -= k * c.size
	}
	return part.table[oracle.Class(seed, part.first+i)]
}
