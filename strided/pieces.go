package strided

import "unsafe"

// Pieces appends to list the memory of the elements [lo,hi) itself, in as many
// pieces as it consists of in the order of the walk, and reports whether it did:
// only if no piece is shorter than least bytes, apart from the first and the last,
// which the range may cut.
func (v View) Pieces(list [][]byte, lo, hi, least int64) ([][]byte, bool) {
	if b, ok := v.Bytes(lo, hi); ok {
		return append(list, b), true
	}
	if part, from, n := v.Part(lo, hi); n == hi-lo {
		v, lo, hi = part, from, from+n
	}
	p := v.plan
	if v.far != nil || p.kind != runs || p.pitch*p.es < least {
		return list, false
	}
	for lo < hi {
		end := min(hi, lo-lo%p.pitch+p.pitch)
		list = append(list, unsafe.Slice((*byte)(p.element(v.base, lo)), (end-lo)*p.es))
		lo = end
	}
	return list, true
}
