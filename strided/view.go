package strided

import (
	"fmt"
	"unsafe"

	"github.com/monel-dev/monel/strided/internal/kernel"
)

// View is a Tensor bound to a Walk: its elements are numbered 0 to Count-1 in
// the order of the walk. Views are small values, cheap to make again. The zero
// View has no elements.
//
// The methods that move elements take a range lo <= hi within [0,Count] and
// slots of at least hi-lo elements, packed in the order of the walk. They
// allocate nothing. A range or slot that does not fit is a programming error and
// panics; check what comes from the network first. So is to move elements of a
// device's memory, which the host cannot touch, but by a Tensor's Access.
type View struct {
	plan *plan
	base unsafe.Pointer // element 0; nil in device memory
	far  *far           // where that is; nil in the host's
}

// far is what a View knows of a device's memory.
type far struct {
	at     uint64 // element 0
	access Access // nil: there is none
}

// View binds t to a walk. Errors are t's own, or wrap ErrWalk. Plans are kept in
// a bounded cache: a View of a layout seen recently is made without allocating.
func (t Tensor) View(w Walk) (View, error) {
	r, err := t.Recipe(w)
	if err != nil {
		return View{}, err
	}
	return r.View(&t), nil
}

// Count is the number of elements.
func (v View) Count() int64 {
	if v.plan == nil {
		return 0
	}
	return v.plan.count
}

// DType is the element type.
func (v View) DType() DType {
	if v.plan == nil {
		return 0
	}
	return v.plan.dt
}

// IsContiguous reports whether all elements lie one after the other in the order
// of the walk.
func (v View) IsContiguous() bool { return v.plan == nil || v.plan.kind == contiguous }

// Bytes is the memory of the elements [lo,hi) itself, if they lie there one
// after the other in the order of the walk and the host can touch them.
func (v View) Bytes(lo, hi int64) ([]byte, bool) {
	v.checkRange("Bytes", lo, hi)
	if lo == hi {
		return nil, true
	}
	if v.far != nil {
		return nil, false
	}
	p := v.plan
	if p.kind == inTurns {
		part, from, n := v.Part(lo, hi)
		if n != hi-lo {
			return nil, false
		}
		return part.Bytes(from, from+n)
	}
	n := (hi - lo) * p.es
	if p.kind == contiguous {
		return unsafe.Slice((*byte)(unsafe.Add(v.base, lo*p.es)), n), true
	}
	if p.kind != runs || lo/p.pitch != (hi-1)/p.pitch {
		return nil, false
	}
	return unsafe.Slice((*byte)(p.element(v.base, lo)), n), true
}

// element is the address of element i.
func (p *plan) element(base unsafe.Pointer, i int64) unsafe.Pointer {
	if p.kind == contiguous {
		return unsafe.Add(base, i*p.es)
	}
	offset := int64(0)
	for k := len(p.size) - 1; k >= 0 && i > 0; k-- {
		offset += i % p.size[k] * p.stride[k]
		i /= p.size[k]
	}
	return unsafe.Add(base, offset)
}

// Pack copies the elements [lo,hi) from memory to slot.
func (v View) Pack(slot []byte, lo, hi int64) {
	v.check("Pack", lo, hi)
	s := v.slot("Pack", slot, lo, hi)
	if lo == hi {
		return
	}
	if v.plan.kind == inTurns {
		v.packParts(slot, lo, hi)
		return
	}
	if v.Staged() {
		v.far.access.Pack(v, slot[:(hi-lo)*v.plan.es], lo, hi)
		return
	}
	v.noteRead(lo, hi)
	noteSlotWrite(s, (hi-lo)*v.plan.es)
	if v.plan.kind == contiguous {
		kernel.Copy(s, unsafe.Add(v.base, lo*v.plan.es), int((hi-lo)*v.plan.es))
		return
	}
	j := job{do: pack, plan: v.plan, mem: v.base, lo: lo, out: s, total: (hi - lo) * v.plan.es}
	j.visit(lo, hi)
}

// Unpack copies slot to the elements [lo,hi) in memory.
func (v View) Unpack(slot []byte, lo, hi int64) {
	v.check("Unpack", lo, hi)
	s := v.slot("Unpack", slot, lo, hi)
	if lo == hi {
		return
	}
	if v.plan.kind == inTurns {
		v.unpackParts(slot, lo, hi)
		return
	}
	if v.Staged() {
		v.far.access.Unpack(v, slot[:(hi-lo)*v.plan.es], lo, hi)
		return
	}
	v.noteWrite(lo, hi)
	noteSlotRead(s, (hi-lo)*v.plan.es)
	if v.plan.kind == contiguous {
		kernel.Copy(unsafe.Add(v.base, lo*v.plan.es), s, int((hi-lo)*v.plan.es))
		return
	}
	j := job{do: unpack, plan: v.plan, mem: v.base, lo: lo, in: s, total: v.total(lo, hi)}
	j.visit(lo, hi)
}

// ReduceInto computes out = in (+) elements [lo,hi), the slot's element being
// the left operand. Avg adds. out may be in.
func (v View) ReduceInto(out, in []byte, lo, hi int64, op Op) {
	v.check("ReduceInto", lo, hi)
	checkOp("ReduceInto", op)
	o, i := v.slot("ReduceInto", out, lo, hi), v.slot("ReduceInto", in, lo, hi)
	if lo == hi {
		return
	}
	if v.plan.kind == inTurns {
		v.reducePartsInto(out, in, lo, hi, op)
		return
	}
	if v.Staged() {
		v.reduceIntoStaged(out, in, lo, hi, op)
		return
	}
	v.noteRead(lo, hi)
	noteSlotRead(i, (hi-lo)*v.plan.es)
	noteSlotWrite(o, (hi-lo)*v.plan.es)
	if v.plan.kind == contiguous {
		kernel.Reduce(op, v.plan.dt, o, i, unsafe.Add(v.base, lo*v.plan.es), int(hi-lo))
		return
	}
	j := job{do: reduceInto, plan: v.plan, mem: v.base, lo: lo, out: o, in: i, op: op}
	j.visitWithScratch(lo, hi)
}

// ReduceOut is the last step of a reduction: it computes in (+) elements [lo,hi)
// of v, for Avg divided by ranks, and writes the result to the elements [lo,hi)
// of dst and, unless out is nil, to out. out may be in. dst has v's element type,
// count and walk, and is either v's memory element for element or disjoint from
// it.
func (v View) ReduceOut(dst View, out, in []byte, lo, hi int64, op Op, ranks int) {
	v.check("ReduceOut", lo, hi)
	dst.check("ReduceOut", lo, hi)
	checkOp("ReduceOut", op)
	if v.DType() != dst.DType() {
		panic(fmt.Sprintf("strided: ReduceOut from %v to %v", v.DType(), dst.DType()))
	}
	if op == Avg && ranks < 1 {
		panic(fmt.Sprintf("strided: ReduceOut with average over %d ranks", ranks))
	}
	i := v.slot("ReduceOut", in, lo, hi)
	var o unsafe.Pointer
	if out != nil {
		o = v.slot("ReduceOut", out, lo, hi)
	}
	if lo == hi {
		return
	}
	if v.plan.kind == inTurns || dst.plan.kind == inTurns {
		if v.plan.walk != dst.plan.walk {
			panic(fmt.Sprintf("strided: ReduceOut from walk %v to %v", v.plan.walk, dst.plan.walk))
		}
		v.reducePartsOut(dst, out, in, lo, hi, op, ranks)
		return
	}
	if v.Staged() || dst.Staged() {
		v.reduceOutStaged(dst, out, in, lo, hi, op, ranks)
		return
	}
	bytes := (hi - lo) * v.plan.es
	v.noteRead(lo, hi)
	dst.noteWrite(lo, hi)
	noteSlotRead(i, bytes)
	if o != nil {
		noteSlotWrite(o, bytes)
	}
	j := job{plan: v.plan, mem: v.base, mem2: dst.base, lo: lo, out: o, in: i, op: op, ranks: ranks, total: dst.total(lo, hi)}
	if v.base == dst.base {
		j.total = 0 // what is written is in the cache already
	}
	switch {
	case v.plan.kind == contiguous && dst.plan.kind == contiguous:
		from, to := unsafe.Add(v.base, lo*v.plan.es), unsafe.Add(dst.base, lo*v.plan.es)
		kernel.ReduceFinish(op, v.plan.dt, to, o, i, from, int(hi-lo), ranks)
		return
	case v.plan.same(dst.plan):
		j.do = reduceOut
	case v.plan.hardness() >= dst.plan.hardness():
		j.do, j.other = reduceFromSource, dst
	default:
		j.do, j.other = reduceToTarget, v
		j.plan, j.mem = dst.plan, dst.base
	}
	j.visitWithScratch(lo, hi)
}

// chunkBytes is from how many bytes on a range is a chunk of a transfer, most of
// which follows or has gone before.
const chunkBytes = 64 << 10

// total is how large the move to memory is that writing [lo,hi) is a part of: of
// a tensor larger than the caches no chunk is still there when it is used.
func (v View) total(lo, hi int64) int64 {
	if n := (hi - lo) * v.plan.es; n < chunkBytes {
		return n
	}
	return v.plan.count * v.plan.es
}

// check refuses ranges and memory that method cannot work on.
func (v View) check(method string, lo, hi int64) {
	v.checkRange(method, lo, hi)
	if v.far != nil && v.far.access == nil {
		panic(fmt.Sprintf("strided: %s of device memory, which the host cannot touch", method))
	}
}

func (v View) checkRange(method string, lo, hi int64) {
	if lo < 0 || lo > hi || hi > v.Count() {
		panic(fmt.Sprintf("strided: %s of [%d,%d) of a view of %d elements", method, lo, hi, v.Count()))
	}
}

func checkOp(method string, op Op) {
	if !op.Valid() {
		panic(fmt.Sprintf("strided: %s with %v", method, op))
	}
}

// slot is the slot's memory, checked to hold the elements [lo,hi).
func (v View) slot(method string, slot []byte, lo, hi int64) unsafe.Pointer {
	if lo < hi && int64(len(slot)) < (hi-lo)*v.plan.es {
		panic(fmt.Sprintf("strided: %s of %d elements of %d bytes with a slot of %d bytes", method, hi-lo, v.plan.es, len(slot)))
	}
	return unsafe.Pointer(unsafe.SliceData(slot))
}
