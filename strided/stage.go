package strided

import (
	"sync"
	"unsafe"

	"github.com/monel-dev/monel/strided/internal/kernel"
)

// scratchBytes is the size of one scratch buffer: long enough for the rows of a
// tile to be worth a kernel call each, short enough to stay in the first-level
// cache from one step to the next.
const scratchBytes = 16 << 10

// scratch holds tiles between memory and kernel.
type scratch struct {
	tile  [scratchBytes]byte
	other [scratchBytes]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// largeBytes is the size of a large scratch buffer: it holds a chunk of a
// collective, and stays in the second-level cache.
const largeBytes = 256 << 10

// largeScratch holds pieces of layouts whose rows are too long for tiles to be
// cheap: moving a whole piece at once, kernels choose the order in which they
// touch memory.
type largeScratch struct {
	tile  [largeBytes]byte
	other [largeBytes]byte
}

var largeScratches = sync.Pool{New: func() any { return new(largeScratch) }}

// visitWithScratch is visit for the actions that combine memory with something
// else, through a scratch where memory is not contiguous.
func (j *job) visitWithScratch(lo, hi int64) {
	long := j.isLong(lo, hi)
	switch {
	case !long && j.plan.isFine():
		x := scratches.Get().(*scratch)
		j.scratch, j.scratchOther = unsafe.Pointer(&x.tile), unsafe.Pointer(&x.other)
		j.stage(lo, hi, scratchBytes)
		scratches.Put(x)
	case long || j.isLarge(lo, hi):
		x := largeScratches.Get().(*largeScratch)
		j.scratch, j.scratchOther = unsafe.Pointer(&x.tile), unsafe.Pointer(&x.other)
		j.stage(lo, hi, largeBytes)
		largeScratches.Put(x)
	case j.plan.isNarrow():
		x := largeScratches.Get().(*largeScratch)
		j.scratch, j.scratchOther, j.room = unsafe.Pointer(&x.tile), unsafe.Pointer(&x.other), largeBytes
		j.visit(lo, hi)
		largeScratches.Put(x)
	default:
		x := scratches.Get().(*scratch)
		j.scratch, j.scratchOther, j.room = unsafe.Pointer(&x.tile), unsafe.Pointer(&x.other), scratchBytes
		j.visit(lo, hi)
		scratches.Put(x)
	}
}

// isLarge reports whether [lo,hi) is better taken through a large scratch than
// in tiles: if rows share cache lines, and the scratch holds all of the range or
// at least the rows of a line.
func (j *job) isLarge(lo, hi int64) bool {
	p := j.plan
	if p.units != nil {
		p, lo, hi = p.units, lo/p.units.per, hi/p.units.per
	}
	return p.byColumns && ((hi-lo+1)*p.es <= largeBytes || min(p.size[p.row], p.bandRows())*p.pitch*p.es <= largeBytes)
}

// isLong reports whether a range of short runs is long enough for a large
// scratch: copying many runs at a time, the kernel fetches the next ones ahead,
// which it begins anew with every piece.
func (j *job) isLong(lo, hi int64) bool {
	p := j.plan
	return p.kind == runs && p.units == nil && p.cols()*p.es < directBytes && (hi-lo)*p.es > 2*scratchBytes
}

// isFine reports whether a scratch holds whole blocks, or as many rows as share
// cache lines. A range then goes through the scratch in pieces that are
// contiguous in the slots, so that kernels get long operands however short the
// rows are.
func (p *plan) isFine() bool {
	if p.units != nil {
		p = p.units
	}
	rows := p.size[p.row]
	switch {
	case p.kind == runs && p.cols()*p.es >= directBytes:
		return false
	case p.byColumns:
		rows = min(rows, p.bandRows())
	}
	return rows*p.pitch*p.es <= scratchBytes
}

// isNarrow reports whether tiles that fit a scratch would have rows too short for
// kernel calls of their own.
func (p *plan) isNarrow() bool {
	if p.units != nil {
		p = p.units
	}
	return p.byColumns && scratchBytes/p.bandRows() < directBytes
}

// stage takes the elements [lo,hi) through a scratch of so many bytes in their
// own order.
func (j *job) stage(lo, hi, bytes int64) {
	p := j.plan
	room := bytes / p.es
	if whole := room / p.pitch * p.pitch; whole > 0 {
		room = whole
	}
	if hi-lo <= bytes/p.es {
		room = hi // one piece
	}
	for at := lo; at < hi; {
		tile := j.scratch
		if bytes == largeBytes && j.do == reduceInto && j.out != j.in {
			// The result's place is the tile, one buffer less for the second-level cache.
			tile = unsafe.Add(j.out, (at-j.lo)*p.es)
		}
		end := min(hi, (at/room+1)*room) // pieces begin with rows
		if j.readsMemory() {
			k := job{do: pack, plan: p, mem: j.mem, lo: at, out: tile}
			k.visit(at, end)
		}
		j.piece(tile, at, end-at)
		if mem := j.written(); mem != nil {
			k := job{do: unpack, plan: p, mem: mem, lo: at, in: tile, total: j.total}
			k.visit(at, end)
		}
		at = end
	}
}

// readsMemory reports whether the tile begins as the plan's memory.
func (j *job) readsMemory() bool { return j.do != reduceToTarget && j.do != copyTo }

// written is the memory of this plan, if any, that the tile is copied to.
func (j *job) written() unsafe.Pointer {
	switch j.do {
	case reduceOut, copyAcross:
		return j.mem2
	case reduceToTarget, copyTo:
		return j.mem
	}
	return nil
}

// tiles cuts a rectangle into tiles that fit the scratch.
func (j *job) tiles(offset, e, rows, cols int64) {
	p := j.plan
	tileRows, tileCols := p.tile(rows, cols, j.room)
	for r := int64(0); r < rows; r += tileRows {
		for c := int64(0); c < cols; c += tileCols {
			j.tile(offset+r*p.rowStride()+c*p.colStride(), e+r*p.pitch+c, min(tileRows, rows-r), min(tileCols, cols-c))
		}
	}
}

// tile does a job for a tile that fits the scratch.
func (j *job) tile(offset, e, rows, cols int64) {
	p := j.plan
	row := cols * p.es // bytes of a row of the tile
	tile := j.scratch
	if j.readsMemory() {
		p.load(tile, row, unsafe.Add(j.mem, offset), rows, cols, 0)
	}
	if cols == p.pitch {
		j.piece(tile, e*p.per, rows*cols*p.per)
	} else {
		for r := range rows {
			j.piece(unsafe.Add(tile, r*row), (e+r*p.pitch)*p.per, cols*p.per)
		}
	}
	if mem := j.written(); mem != nil {
		p.store(unsafe.Add(mem, offset), tile, row, rows, cols, j.total)
	}
}

// piece combines n elements in the scratch, which begin with element e and are
// contiguous in the slots, with the slots and the other tensor.
func (j *job) piece(tile unsafe.Pointer, e, n int64) {
	dt := j.plan.dt
	at := e*int64(dt.Size()) - j.lo*j.plan.es
	switch j.do {
	case reduceInto:
		kernel.Reduce(j.op, dt, unsafe.Add(j.out, at), unsafe.Add(j.in, at), tile, int(n))
	case reduceOut:
		kernel.ReduceFinish(j.op, dt, tile, advance(j.out, at), unsafe.Add(j.in, at), tile, int(n), j.ranks)
	case reduceFromSource:
		to := j.other.direct(e, n)
		if to == nil {
			to = tile
		}
		kernel.ReduceFinish(j.op, dt, to, advance(j.out, at), unsafe.Add(j.in, at), tile, int(n), j.ranks)
		if to == tile {
			j.other.unpackRaw(tile, e, n, j.total)
		}
	case reduceToTarget:
		from := j.other.direct(e, n)
		if from == nil {
			from = j.scratchOther
			j.other.packRaw(from, e, n)
		}
		kernel.ReduceFinish(j.op, dt, tile, advance(j.out, at), unsafe.Add(j.in, at), from, int(n), j.ranks)
	case copyFrom:
		j.other.unpackRaw(tile, e, n, j.total)
	case copyTo:
		j.other.packRaw(tile, e, n)
	}
}
