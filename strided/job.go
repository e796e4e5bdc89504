package strided

import (
	"sync"
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
	// reduceFromSource: finish(in (+) memory) -> other and out.
	reduceFromSource
	// reduceToTarget: finish(in (+) other) -> memory and out.
	reduceToTarget
	copyAcross // memory -> mem2, which has the same plan
	copyFrom   // memory -> other
	copyTo     // other -> memory
	noteRead   // tells the race detector
	noteWrite
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
	scratch *scratch
}

// scratchBytes is the size of one scratch buffer. Two of them, the slots' rows
// and the lines of a tile's memory share the first-level cache.
const scratchBytes = 8 << 10

// scratch holds tiles between memory and kernel.
type scratch struct {
	tile  [scratchBytes]byte
	other [scratchBytes]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (j *job) visitWithScratch(lo, hi int64) {
	j.scratch = scratches.Get().(*scratch)
	j.plan.visit(j, lo, hi)
	scratches.Put(j.scratch)
}

// rect does the job for rows × cols elements. The first one is element e of the
// walk and lies offset bytes from element 0.
func (j *job) rect(offset, e, rows, cols int64) {
	p := j.plan
	mem := unsafe.Add(j.mem, offset)
	at := (e - j.lo) * p.es // bytes into the slots
	switch j.do {
	case pack:
		p.load(unsafe.Add(j.out, at), p.pitch*p.es, mem, rows, cols)
		return
	case unpack:
		p.store(mem, unsafe.Add(j.in, at), p.pitch*p.es, rows, cols)
		return
	case noteRead, noteWrite:
		j.note(mem, rows, cols)
		return
	}
	if p.kind == runs && cols*p.es >= directBytes && j.direct(offset, at, rows, cols) {
		return
	}
	tileRows, tileCols := p.tile(rows, cols)
	for r := int64(0); r < rows; r += tileRows {
		for c := int64(0); c < cols; c += tileCols {
			j.tile(offset+r*p.rowStride()+c*p.colStride(), e+r*p.pitch+c, min(tileRows, rows-r), min(tileCols, cols-c))
		}
	}
}

// directBytes is how long a run must be for a kernel call of its own to be
// cheaper than staging several runs.
const directBytes = 256

// direct does a job run by run, straight on the memory.
func (j *job) direct(offset, at, rows, cols int64) bool {
	p := j.plan
	step := p.pitch * p.es
	for r := range rows {
		mem := unsafe.Add(j.mem, offset+r*p.rowStride())
		switch j.do {
		case reduceInto:
			kernel.Reduce(j.op, p.dt, unsafe.Add(j.out, at+r*step), unsafe.Add(j.in, at+r*step), mem, int(cols))
		case reduceOut:
			to := unsafe.Add(j.mem2, offset+r*p.rowStride())
			kernel.ReduceFinish(j.op, p.dt, to, j.outAt(at+r*step), unsafe.Add(j.in, at+r*step), mem, int(cols), j.ranks)
		case copyAcross:
			kernel.Copy(unsafe.Add(j.mem2, offset+r*p.rowStride()), mem, int(cols*p.es))
		default:
			return false
		}
	}
	return true
}

// tile does a job for a tile that fits the scratch.
func (j *job) tile(offset, e, rows, cols int64) {
	p := j.plan
	row := cols * p.es // bytes of a row of the tile
	tile := unsafe.Pointer(&j.scratch.tile)
	mem := unsafe.Add(j.mem, offset)
	if j.do != reduceToTarget && j.do != copyTo {
		p.load(tile, row, mem, rows, cols)
	}
	n, count := rows, cols // the tile as slot-contiguous pieces: n of count elements
	if cols == p.pitch {
		n, count = 1, rows*cols
	}
	for r := range n {
		at := (e - j.lo + r*p.pitch) * p.es
		piece := unsafe.Add(tile, r*row)
		first := e + r*p.pitch
		switch j.do {
		case reduceInto:
			kernel.Reduce(j.op, p.dt, unsafe.Add(j.out, at), unsafe.Add(j.in, at), piece, int(count))
		case reduceOut:
			kernel.ReduceFinish(j.op, p.dt, piece, j.outAt(at), unsafe.Add(j.in, at), piece, int(count), j.ranks)
		case reduceFromSource:
			to := j.other.direct(first, count)
			if to == nil {
				to = piece
			}
			kernel.ReduceFinish(j.op, p.dt, to, j.outAt(at), unsafe.Add(j.in, at), piece, int(count), j.ranks)
			if to == piece {
				j.other.unpackRaw(piece, first, count)
			}
		case reduceToTarget:
			from := j.other.direct(first, count)
			if from == nil {
				from = unsafe.Pointer(&j.scratch.other)
				j.other.packRaw(from, first, count)
			}
			kernel.ReduceFinish(j.op, p.dt, piece, j.outAt(at), unsafe.Add(j.in, at), from, int(count), j.ranks)
		case copyFrom:
			j.other.unpackRaw(piece, first, count)
		case copyTo:
			j.other.packRaw(piece, first, count)
		}
	}
	switch j.do {
	case reduceOut, copyAcross:
		p.store(unsafe.Add(j.mem2, offset), tile, row, rows, cols)
	case reduceToTarget, copyTo:
		p.store(mem, tile, row, rows, cols)
	}
}

func (j *job) outAt(at int64) unsafe.Pointer {
	if j.out == nil {
		return nil
	}
	return unsafe.Add(j.out, at)
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
	v.plan.visit(&j, lo, lo+n)
}

func (v View) unpackRaw(in unsafe.Pointer, lo, n int64) {
	if to := v.direct(lo, n); to != nil {
		kernel.Copy(to, in, int(n*v.plan.es))
		return
	}
	j := job{do: unpack, plan: v.plan, mem: v.base, lo: lo, in: in}
	v.plan.visit(&j, lo, lo+n)
}
