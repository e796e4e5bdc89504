package strided

import "sync"

// Access moves elements of a device's memory for Views, so that what works with Views
// need not know where the memory is. Its methods may be called from several goroutines.
// They have no errors: an Access that fails panics with what its owner recovers.
type Access interface {
	// Pack copies the elements [lo,hi) of v, in the order of its walk, to slot.
	Pack(v View, slot []byte, lo, hi int64)
	// Unpack copies slot to the elements [lo,hi) of v. It may return before that is done;
	// slot is the caller's again when it returns. Elements that were unpacked are not
	// packed before the Access's owner says that all is done.
	Unpack(v View, slot []byte, lo, hi int64)
	// Ahead says that the elements [lo,hi) of v will be packed soon, and do not change
	// until then.
	Ahead(v View, lo, hi int64)
}

// Staged reports whether the view's elements are reached through an Access.
func (v View) Staged() bool { return v.far != nil && v.far.access != nil }

// Ahead tells the Access by which the elements [lo,hi) are reached, if there is one, that
// they will be packed or reduced soon, and do not change until then.
func (v View) Ahead(lo, hi int64) {
	v.check("Ahead", lo, hi)
	if lo < hi && v.Staged() && v.plan.kind != inTurns {
		v.far.access.Ahead(v, lo, hi)
	}
}

// Is reports whether v and other are views of the same elements in the same order. It may
// say no of views that were made of equal tensors.
func (v View) Is(other View) bool {
	return v.plan == other.plan && v.base == other.base && (v.far == other.far || v.far != nil && other.far != nil && v.far.at == other.far.at)
}

// Through is t with Views whose methods go through a if the memory is a device's.
func (t Tensor) Through(a Access) Tensor {
	if t.OnDevice() {
		t.access = a
	}
	return t
}

// staging is memory of the host for elements that come through an Access.
type staging struct{ b []byte }

// stagedBytes is how much is staged at a time.
const stagedBytes = 256 << 10

var stagings = sync.Pool{New: func() any { return &staging{make([]byte, stagedBytes)} }}

// staged calls do for parts of the elements [lo,hi), each with room for it.
func (v View) staged(lo, hi int64, do func(room []byte, lo, hi int64)) {
	s := stagings.Get().(*staging)
	defer stagings.Put(s)
	most := stagedBytes / v.plan.es
	for lo < hi {
		end := min(hi, lo+most)
		do(s.b[:(end-lo)*v.plan.es], lo, end)
		lo = end
	}
}

// reduceIntoStaged is ReduceInto of elements that come through an Access.
func (v View) reduceIntoStaged(out, in []byte, lo, hi int64, op Op) {
	es := v.plan.es
	v.staged(lo, hi, func(room []byte, a, b int64) {
		v.far.access.Pack(v, room, a, b)
		Reduce(op, v.plan.dt, out[(a-lo)*es:], in[(a-lo)*es:], room, b-a)
	})
}

// reduceOutStaged is ReduceOut where v, dst or both are reached through an Access.
func (v View) reduceOutStaged(dst View, out, in []byte, lo, hi int64, op Op, ranks int) {
	es := v.plan.es
	v.staged(lo, hi, func(room []byte, a, b int64) {
		v.Pack(room, a, b)
		ReduceLast(op, v.plan.dt, room, in[(a-lo)*es:], room, b-a, ranks)
		dst.Unpack(room, a, b)
		if out != nil {
			copy(out[(a-lo)*es:], room)
		}
	})
}

// copyStaged is copyViews where either is reached through an Access.
func copyStaged(to, from View) {
	from.staged(0, from.Count(), func(room []byte, lo, hi int64) {
		from.Pack(room, lo, hi)
		to.Unpack(room, lo, hi)
	})
}
