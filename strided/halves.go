package strided

import (
	"math/bits"
	"unsafe"
)

// A walk of halves is for ranks whose memories have two different orders. If
// all walked in one order, those of the other would find none of their elements
// in sequence, and everybody would wait for them. So the shape is cut across one
// dimension; one half is walked in the one order, the other in the other, and the
// two take turns, a block of elements each. Then every rank has half of the work,
// at the same time.
//
// Its code has 15 in bits 60–63; in bits 48–50 the number n of dimensions, at
// most 6; in bits 51–56 the block's binary logarithm. Bits 4i–4i+2 are the
// dimension of the first order's i-th loop, bit 4i+3 is set if that runs
// backwards; the second order's loops follow from bit 24 on. Which dimension is
// cut follows from shape and orders, see cut.
const (
	halvesCode  = 15
	maxHalfDims = 6
)

// Halves is a walk that serves two: it goes through one half of the shape in the
// order of a and through the other in that of b, in turns of the largest power of
// two up to block elements. A tensor whose memory walk is either has one half in
// sequence. It is Logical if there is no such walk: a and b are equal or not walks
// of the shape made by MemoryWalk, the shape has more than 6 dimensions of size
// greater than 1, or fewer elements than two blocks.
func Halves(shape []int64, a, b Walk, block int64) Walk {
	count, n := int64(1), 0
	for _, size := range shape {
		var ok bool
		if size < 1 {
			return Logical
		}
		if count, ok = mulCapped(count, size, maxBytes); !ok {
			return Logical
		}
		if size > 1 {
			n++
		}
	}
	if a == b || a.isHalves() || b.isHalves() || a.Validate(shape) != nil || b.Validate(shape) != nil ||
		n > maxHalfDims || block < 1 || count/2 < block {
		return Logical
	}
	w := Walk(halvesCode)<<60 | Walk(bits.Len64(uint64(block))-1)<<51 | Walk(n)<<48
	for i := range n {
		w |= halfLoop(a, i)<<(4*i) | halfLoop(b, i)<<(24+4*i)
	}
	return w
}

// halfLoop is loop i of an order as a walk of halves has it.
func halfLoop(w Walk, i int) Walk {
	d, backwards := w.loop(i)
	if backwards {
		d |= 8
	}
	return Walk(d)
}

func (w Walk) isHalves() bool { return w>>60 == halvesCode }

// halves takes the code apart. Codes that Halves cannot have made give walks that
// it would not take.
func (w Walk) halves() (a, b Walk, block int64) {
	var order [2][8]int
	var backwards [2][8]bool
	n := int(w >> 48 & 7)
	for i := range min(n, maxHalfDims) {
		for k := range 2 {
			loop := int(w >> (24*k + 4*i) & 15)
			order[k][i], backwards[k][i] = loop&7, loop&8 != 0
		}
	}
	return makeWalk(order[0][:n], backwards[0][:n]), makeWalk(order[1][:n], backwards[1][:n]), 1 << (w >> 51 & 63)
}

// goodRun is how many elements make a run that is as good as a longer one.
const goodRun = 1024

// cut is the dimension that a walk of halves cuts: the one that leaves the
// longest runs in the worse of the two orders, less what the halves differ by. Of
// equals it is the first order's outermost.
func cut(shape []int64, a, b Walk) int {
	var real [maxHalfDims]int
	n := 0
	for i, size := range shape {
		if size > 1 {
			real[n] = i
			n++
		}
	}
	best, longest := 0, int64(-1)
	for i := range n {
		d, _ := a.loop(i)
		run := min(halfRun(shape, real[:n], a, d), halfRun(shape, real[:n], b, d))
		if size := shape[real[d]]; size%2 != 0 {
			run -= run / size
		}
		if run > longest {
			best, longest = real[d], run
		}
	}
	return best
}

// halfRun is how many elements follow each other in the order w, up to goodRun,
// if dimension d is cut.
func halfRun(shape []int64, real []int, w Walk, d int) int64 {
	run := int64(1)
	for i := len(real) - 1; i >= 0; i-- {
		at, _ := w.loop(i)
		size := shape[real[at]]
		if at == d {
			size /= 2
		}
		run *= min(size, goodRun)
		if at == d || run >= goodRun {
			break
		}
	}
	return min(run, goodRun)
}

// turns is the plan of a walk of halves.
type turns struct {
	part  [2]*plan
	block int64
	taken int64 // elements that the halves take turns in; then each has a rest
}

// takeTurns plans a walk of halves.
func (p *plan) takeTurns(l *Layout, w Walk) {
	a, b, block := w.halves()
	c := cut(l.shape, a, b)
	t := &turns{block: block}
	half := l.shape[c] / 2
	for i, order := range [2]Walk{a, b} {
		shape := append([]int64(nil), l.shape...)
		part := &plan{dt: p.dt, es: p.es, per: 1}
		if shape[c] = half; i == 1 {
			shape[c] = l.shape[c] - half
			part.first = half * l.strides[c] * p.es
		}
		part.count = p.count / l.shape[c] * shape[c]
		var d dims
		part.first += d.walked(l, shape, order) * p.es
		part.layOut(&d)
		t.part[i] = part
	}
	t.taken = t.part[0].count / block * block * 2
	p.kind, p.turns = inTurns, t
}

// at finds element i of the walk: which half it is of, as which element, and how
// many that follow it do so in that half.
func (t *turns) at(i int64) (half int, from, n int64) {
	if i < t.taken {
		b := i / t.block
		return int(b & 1), b/2*t.block + i%t.block, t.block - i%t.block
	}
	from = i - t.taken/2
	if n = t.part[0].count - from; n > 0 {
		return 0, from, n
	}
	from = i - t.part[0].count
	return 1, from, t.part[1].count - from
}

// InHalves reports whether v's walk is one of Halves.
func (v View) InHalves() bool { return v.plan != nil && v.plan.kind == inTurns }

// Part is the view that the elements from lo on are in, lo < hi: element lo of v
// and the n-1 that follow, up to hi at most, are the elements [from,from+n) of
// part. That is v itself, from lo to hi, unless the walk is one of Halves.
func (v View) Part(lo, hi int64) (part View, from, n int64) {
	if !v.InHalves() {
		return v, lo, hi - lo
	}
	half, from, n := v.plan.turns.at(lo)
	part = v
	part.plan = v.plan.turns.part[half]
	if v.far != nil {
		part.far = &far{v.far.at + uint64(part.plan.first), v.far.access}
	} else {
		part.base = unsafe.Add(v.base, part.plan.first)
	}
	return part, from, min(n, hi-lo)
}

func (v View) packParts(slot []byte, lo, hi int64) {
	for lo < hi {
		part, from, n := v.Part(lo, hi)
		part.Pack(slot, from, from+n)
		slot, lo = slot[n*v.plan.es:], lo+n
	}
}

func (v View) unpackParts(slot []byte, lo, hi int64) {
	for lo < hi {
		part, from, n := v.Part(lo, hi)
		part.Unpack(slot, from, from+n)
		slot, lo = slot[n*v.plan.es:], lo+n
	}
}

func (v View) reducePartsInto(out, in []byte, lo, hi int64, op Op) {
	for lo < hi {
		part, from, n := v.Part(lo, hi)
		part.ReduceInto(out, in, from, from+n, op)
		out, in, lo = out[n*v.plan.es:], in[n*v.plan.es:], lo+n
	}
}

func (v View) reducePartsOut(dst View, out, in []byte, lo, hi int64, op Op, ranks int) {
	for lo < hi {
		part, from, n := v.Part(lo, hi)
		to, _, _ := dst.Part(lo, hi)
		part.ReduceOut(to, out, in, from, from+n, op, ranks)
		if in, lo = in[n*v.plan.es:], lo+n; out != nil {
			out = out[n*v.plan.es:]
		}
	}
}
