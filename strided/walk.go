package strided

import (
	"math/bits"
	"strconv"
)

// Walk is an order in which the elements of a shape are visited: nested loops
// over its dimensions of size greater than 1, from the outermost, each forwards
// or backwards. Equal orders of a shape have equal codes, so ranks compare walks
// by comparing the numbers; the code is part of the wire protocol.
//
// The code counts only dimensions of size greater than 1, in the order of the
// shape. Bits 60–63 are their number n; bits 4i–4i+3 the dimension that the i-th
// loop runs over; bit 48+i is set if that loop runs backwards. Shapes with more
// than 12 such dimensions are only walked in logical order. The walks that Halves
// makes join two such orders; halves.go has their codes.
type Walk uint64

// Logical is row-major order, the last dimension fastest. Every walk that comes
// to the same order has this code.
const Logical Walk = 0

// maxWalkDims is how many dimensions a walk's code has room for.
const maxWalkDims = 12

// MemoryWalk is the walk that goes through the layout's memory upwards in the
// longest runs: dimensions sorted by the magnitude of their strides, those with
// negative ones backwards. Expanded dimensions (stride 0) come outermost, where
// they repeat long runs rather than single elements. For a dense tensor, however
// permuted and reversed, it visits the memory in address order. Ties keep the
// order of the shape. It is Logical when the layout is empty or has more than 12
// dimensions of size greater than 1.
func (l Layout) MemoryWalk() Walk {
	if l.count == 0 {
		return Logical
	}
	var order [maxWalkDims]int
	var stride [maxWalkDims]int64
	n := 0
	for i, size := range l.shape {
		if size == 1 {
			continue
		}
		if n == maxWalkDims {
			return Logical
		}
		stride[n] = l.strides[i]
		at := n
		for at > 0 && outside(l.strides[i], stride[order[at-1]]) {
			order[at] = order[at-1]
			at--
		}
		order[at] = n
		n++
	}
	var backwards [maxWalkDims]bool
	for i := range n {
		backwards[i] = stride[order[i]] < 0
	}
	return makeWalk(order[:n], backwards[:n])
}

// outside reports whether a dimension of stride a belongs outside one of stride
// b.
func outside(a, b int64) bool {
	if a == 0 || b == 0 {
		return a == 0 && b != 0
	}
	return magnitude(a) > magnitude(b)
}

// makeWalk encodes a permutation.
func makeWalk(order []int, backwards []bool) Walk {
	w, logical := Walk(len(order))<<60, true
	for i, d := range order {
		w |= Walk(d) << (4 * i)
		if backwards[i] {
			w |= 1 << (48 + i)
		}
		logical = logical && d == i && !backwards[i]
	}
	if logical {
		return Logical
	}
	return w
}

// Blockwise is w for a shape with one more dimension in front, of size greater than 1,
// which becomes the outermost loop: what w walks are the blocks, one after the other.
// It reports false if that has no code.
func (w Walk) Blockwise() (Walk, bool) {
	if w == Logical {
		return Logical, true
	}
	n := w.len()
	if n == maxWalkDims {
		return Logical, false
	}
	order, backwards := make([]int, 1, maxWalkDims), make([]bool, 1, maxWalkDims)
	for i := range n {
		d, b := w.at(i)
		order, backwards = append(order, d+1), append(backwards, b)
	}
	return makeWalk(order, backwards), true
}

// len is the number of loops; 0 for Logical, whatever the shape.
func (w Walk) len() int { return int(w >> 60) }

// at is the i-th loop from the outside: over which dimension, and whether
// backwards.
func (w Walk) at(i int) (dim int, backwards bool) {
	return int(w>>(4*i)) & 15, w>>(48+i)&1 != 0
}

// loop is at for any walk but one of halves, Logical's loops being those of the
// shape.
func (w Walk) loop(i int) (dim int, backwards bool) {
	if w == Logical {
		return i, false
	}
	return w.at(i)
}

// Validate reports whether w is a walk of the given shape, as Layout.MemoryWalk
// or Halves could have made it. It is meant for codes from the network: every code is
// either refused, with an error that wraps ErrWalk, or safe to use.
func (w Walk) Validate(shape []int64) error {
	if w == Logical {
		return nil
	}
	if w.isHalves() {
		if a, b, block := w.halves(); Halves(shape, a, b, block) != w {
			return errorf("Walk.Validate", ErrWalk, "code %#x is not one of two orders of the shape %v", uint64(w), shape)
		}
		return nil
	}
	n := w.len()
	if n > maxWalkDims {
		return errorf("Walk.Validate", ErrWalk, "code %#x names %d dimensions, at most %d are possible", uint64(w), n, maxWalkDims)
	}
	walked := 0
	for _, size := range shape {
		if size == 0 {
			return errorf("Walk.Validate", ErrWalk, "code %#x for the empty shape %v, whose only walk is Logical", uint64(w), shape)
		}
		if size > 1 {
			walked++
		}
	}
	if walked != n {
		return errorf("Walk.Validate", ErrWalk, "code %#x names %d dimensions, shape %v has %d of size greater than 1", uint64(w), n, shape, walked)
	}
	seen, logical := 0, true
	for i := range n {
		d, backwards := w.at(i)
		seen |= 1 << d
		logical = logical && d == i && !backwards
	}
	unused := w & (1<<60 - 1) &^ (1<<(4*n) - 1) &^ ((1<<n - 1) << 48)
	if seen != 1<<n-1 || bits.OnesCount64(uint64(unused)) != 0 || logical {
		return errorf("Walk.Validate", ErrWalk, "code %#x is not an order of %d dimensions", uint64(w), n)
	}
	return nil
}

// String lists the loops from the outermost by the number of their dimension,
// dimensions of size 1 not counted; a minus sign means backwards: "2,0,-1". A walk
// of halves has both orders and the block: "logical | 1,0 by 65536".
func (w Walk) String() string {
	if w == Logical {
		return "logical"
	}
	if w.isHalves() {
		a, b, block := w.halves()
		return a.String() + " | " + b.String() + " by " + strconv.FormatInt(block, 10)
	}
	var b []byte
	for i := range min(w.len(), maxWalkDims) {
		if i > 0 {
			b = append(b, ',')
		}
		d, backwards := w.at(i)
		if backwards {
			b = append(b, '-')
		}
		b = strconv.AppendInt(b, int64(d), 10)
	}
	return string(b)
}
