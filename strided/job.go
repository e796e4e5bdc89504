package strided

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/internal/kernel"
)

// action is what a job does with each rectangle of elements.
type action uint8

const (
	pack   action = iota // memory -> out
	unpack               // in -> memory
	// reduceInto: in (+) memory -> out.
	reduceInto
	// reduceOut: finish(in (+) memory) -> mem2, which has the same plan, and out.
	reduceOut
	copyAcross // memory -> mem2, which has the same plan
	noteRead   // tells the race detector
	noteWrite
	// reduceFromSource: finish(in (+) memory) -> other and out.
	reduceFromSource
	// reduceToTarget: finish(in (+) other) -> memory and out.
	reduceToTarget
	copyFrom // memory -> other
	copyTo   // other -> memory
)

// job is one call's work, carried through the rectangles of a plan.
type job struct {
	do   action
	plan *plan
	mem  unsafe.Pointer // the plan's element 0
	mem2 unsafe.Pointer
	// other is the second tensor where its plan differs: rectangles follow the
	// plan that is harder to follow, the other one is accessed row by row.
	other   View
	lo      int64          // the element that out and in begin with
	out, in unsafe.Pointer // slots; out is nil when no slot is wanted
	op      Op
	ranks   int
	total   int64 // bytes of the whole move, 0 for one within the cache
	// scratch and scratchOther are two buffers of equal size.
	scratch, scratchOther unsafe.Pointer
	room                  int64 // bytes of each for tiles
}

// visit does the job for the elements [lo,hi), lo < hi; as far as possible by
// whole units, where the plan has them.
func (j *job) visit(lo, hi int64) {
	u := j.plan.units
	if u == nil {
		j.plan.visit(j, lo, hi)
		return
	}
	first, end := (lo+u.per-1)/u.per, hi/u.per
	if first >= end {
		j.plan.visit(j, lo, hi)
		return
	}
	if from := first * u.per; lo < from {
		j.plan.visit(j, lo, from)
	}
	k := *j
	k.plan, k.lo = u, first
	skip := (first*u.per - j.lo) * j.plan.es
	k.out, k.in = advance(j.out, skip), advance(j.in, skip)
	u.visit(&k, first, end)
	if to := end * u.per; to < hi {
		j.plan.visit(j, to, hi)
	}
}

// advance is p n bytes on, or nil if p is nil.
func advance(p unsafe.Pointer, n int64) unsafe.Pointer {
	if p == nil {
		return nil
	}
	return unsafe.Add(p, n)
}

// rect does the job for rows × cols elements. The first one is element e of the
// walk and lies offset bytes from element 0.
func (j *job) rect(offset, e, rows, cols int64) {
	p := j.plan
	mem := unsafe.Add(j.mem, offset)
	at := (e - j.lo) * p.es // bytes into the slots
	switch j.do {
	case pack:
		p.load(unsafe.Add(j.out, at), p.pitch*p.es, mem, rows, cols, j.total)
		return
	case unpack:
		p.store(mem, unsafe.Add(j.in, at), p.pitch*p.es, rows, cols, j.total)
		return
	case noteRead, noteWrite:
		j.note(mem, rows, cols)
		return
	}
	if p.kind == runs && cols*p.es >= directBytes {
		j.direct(offset, e, rows, cols)
		return
	}
	j.tiles(offset, e, rows, cols)
}

// directBytes is how long a run must be for a kernel call of its own to be
// cheaper than staging several runs.
const directBytes = 1024

// direct does a job run by run, straight on the memory, except for runs that are
// not contiguous in the other tensor.
func (j *job) direct(offset, e, rows, cols int64) {
	p := j.plan
	for r := range rows {
		mem := unsafe.Add(j.mem, offset+r*p.rowStride())
		at := (e - j.lo + r*p.pitch) * p.es
		var other unsafe.Pointer
		if j.do >= reduceFromSource {
			if other = j.other.direct(e+r*p.pitch, cols); other == nil {
				j.tiles(offset+r*p.rowStride(), e+r*p.pitch, 1, cols)
				continue
			}
		}
		switch j.do {
		case reduceInto:
			kernel.Reduce(j.op, p.dt, unsafe.Add(j.out, at), unsafe.Add(j.in, at), mem, int(cols))
		case reduceOut:
			to := unsafe.Add(j.mem2, offset+r*p.rowStride())
			kernel.ReduceFinish(j.op, p.dt, to, advance(j.out, at), unsafe.Add(j.in, at), mem, int(cols), j.ranks)
		case reduceFromSource:
			kernel.ReduceFinish(j.op, p.dt, other, advance(j.out, at), unsafe.Add(j.in, at), mem, int(cols), j.ranks)
		case reduceToTarget:
			kernel.ReduceFinish(j.op, p.dt, mem, advance(j.out, at), unsafe.Add(j.in, at), other, int(cols), j.ranks)
		case copyAcross:
			kernel.Copy(unsafe.Add(j.mem2, offset+r*p.rowStride()), mem, int(cols*p.es))
		case copyFrom:
			kernel.Copy(other, mem, int(cols*p.es))
		case copyTo:
			kernel.Copy(mem, other, int(cols*p.es))
		}
	}
}

// direct is the address of n elements from lo on if they are contiguous for
// certain, else nil.
func (v View) direct(lo, n int64) unsafe.Pointer {
	p := v.plan
	if p.kind == contiguous || p.kind == runs && lo/p.pitch == (lo+n-1)/p.pitch {
		return p.element(v.base, lo)
	}
	return nil
}

func (v View) packRaw(out unsafe.Pointer, lo, n int64) {
	if from := v.direct(lo, n); from != nil {
		kernel.Copy(out, from, int(n*v.plan.es))
		return
	}
	j := job{do: pack, plan: v.plan, mem: v.base, lo: lo, out: out}
	j.visit(lo, lo+n)
}

func (v View) unpackRaw(in unsafe.Pointer, lo, n, total int64) {
	if to := v.direct(lo, n); to != nil {
		kernel.Copy(to, in, int(n*v.plan.es))
		return
	}
	j := job{do: unpack, plan: v.plan, mem: v.base, lo: lo, in: in, total: total}
	j.visit(lo, lo+n)
}
