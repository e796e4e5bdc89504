//go:build race

package strided

import (
	"runtime"
	"unsafe"
)

const raceEnabled = true

// The kernels reach memory in ways the race detector does not see: through
// unsafe pointers and, on some machines, assembly. In programs built with -race
// each call first tells it what it is going to read and write, element ranges
// only, so that accesses to the gaps between elements stay nobody's business.

func (v View) noteRead(lo, hi int64)  { v.note(noteRead, lo, hi) }
func (v View) noteWrite(lo, hi int64) { v.note(noteWrite, lo, hi) }

func (v View) note(do action, lo, hi int64) {
	if lo == hi {
		return
	}
	j := job{do: do, plan: v.plan, mem: v.base}
	if v.plan.kind == contiguous {
		j.noteBytes(unsafe.Add(v.base, lo*v.plan.es), (hi-lo)*v.plan.es)
		return
	}
	v.plan.visit(&j, lo, hi)
}

func noteSlotRead(p unsafe.Pointer, n int64)  { runtime.RaceReadRange(p, int(n)) }
func noteSlotWrite(p unsafe.Pointer, n int64) { runtime.RaceWriteRange(p, int(n)) }

// note reports a rectangle, by columns where those are contiguous.
func (j *job) note(mem unsafe.Pointer, rows, cols int64) {
	p := j.plan
	switch {
	case p.kind == runs:
		for r := range rows {
			j.noteBytes(unsafe.Add(mem, r*p.rowStride()), cols*p.es)
		}
	case p.kind == transposed:
		if p.rowStride() < 0 {
			mem = unsafe.Add(mem, (rows-1)*p.rowStride())
		}
		for c := range cols {
			j.noteBytes(unsafe.Add(mem, c*p.colStride()), rows*p.es)
		}
	default:
		for r := range rows {
			for c := range cols {
				j.noteBytes(unsafe.Add(mem, r*p.rowStride()+c*p.colStride()), p.es)
			}
		}
	}
}

func (j *job) noteBytes(p unsafe.Pointer, n int64) {
	if j.do == noteWrite {
		runtime.RaceWriteRange(p, int(n))
	} else {
		runtime.RaceReadRange(p, int(n))
	}
}
