package strided

import "slices"

// Pair is how an output and an input lie in memory and relative to each other.
// What Conflict and Layout.CheckOutput say of two tensors depends on nothing else
// of them, so whoever remembers a Pair need not ask again. It does not keep the
// tensors' memory alive. The zero Pair fits no tensors.
type Pair struct {
	in       [2]place // dst's memory and src's
	dst, src Layout
	apart    uintptr // from src's memory to dst's
}

// PairOf is the pair of dst and src, which have no errors.
func PairOf(dst, src Tensor) Pair {
	return Pair{in: [2]place{dst.place, src.place}, dst: dst.layout, src: src.layout, apart: apart(&dst, &src)}
}

// Fits reports whether dst and src have no errors and are such a pair.
func (p *Pair) Fits(dst, src *Tensor) bool {
	return dst.place != nowhere && dst.place == p.in[0] && src.place != nowhere && src.place == p.in[1] &&
		apart(dst, src) == p.apart &&
		dst.layout.equal(&p.dst) && src.layout.equal(&p.src)
}

func apart(dst, src *Tensor) uintptr { return dst.mem.start() - src.mem.start() }

// equal reports whether l and o are the same in every number that was given for
// them.
func (l *Layout) equal(o *Layout) bool {
	return l.dt == o.dt && l.offset == o.offset && sameNumbers(l.shape, o.shape) && sameNumbers(l.strides, o.strides)
}

// sameNumbers is slices.Equal; more often than not a and b are one slice.
func sameNumbers(a, b []int64) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}
