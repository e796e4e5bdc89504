package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// lineBytes is the size of a cache line.
const lineBytes = 64

// transposer emits the kernel that transposes a strip: the rows that make up a
// few lines of each source column, and any number of columns.
//
// Columns are often a power of two bytes apart, so their lines compete for a few
// sets of the cache, and lie on pages of their own, where no hardware prefetcher
// follows. So each line is asked for ahead of time, read once and whole, into a
// buffer on the stack that competes with nothing. From there as many columns as
// a line has elements are transposed to whole lines of the destination, which
// may bypass the cache.
//
// A 128-bit lane holds k elements of one column. Lane j of vector i is loaded
// from column i+j*k, so that transposing k by k elements within every lane
// yields k rows of the destination. That transposition is log2(k) rounds of
// interleaving vectors i and i+k/2 into 2i and 2i+1.
type transposer struct {
	*machine
	size, k, group      int          // bytes of an element; elements of a lane, of a line
	columnStep, rowStep reg.Register // of the source, of the destination
	src, dst            reg.GPVirtual
	left                reg.Register // columns to go
	groupStep           reg.GPVirtual
	buffer              reg.GPVirtual
	halves, spills      operand.Mem // of lines, of blocks
}

func transpose(m *machine, size int) {
	t := &transposer{machine: m, size: size, k: laneBytes / size, group: lineBytes / size}
	m.deepStack = true
	m.function(fmt.Sprintf("%sTranspose%d", tierName(m.width), size),
		"func(dst *byte, dstRowStride int, src *byte, srcColStride int, lines, cols int, bypass bool)",
		fmt.Sprintf("moves %d*lines rows by cols elements of %d bytes, cols being a multiple of %d and neither being 0. To bypass the cache, dst and dstRowStride must be multiples of %d.", t.group, size, t.group, lineBytes))
	m.deepStack = false
	lines, half := t.group*lineBytes, t.k*m.width
	area := m.AllocLocal(lines + half + half/2 + lineBytes)
	t.buffer = m.GP64()
	m.LEAQ(area.Offset(lineBytes-1), t.buffer)
	m.ANDQ(operand.I32(-lineBytes), t.buffer)
	t.halves = operand.Mem{Base: t.buffer, Disp: lines}
	t.spills = t.halves.Offset(half)
	t.dst, t.src = m.GP64(), m.GP64()
	m.Load(m.Param("dst"), t.dst)
	t.rowStep = m.Load(m.Param("dstRowStride"), m.GP64())
	m.Load(m.Param("src"), t.src)
	t.columnStep = m.Load(m.Param("srcColStride"), m.GP64())
	t.left = m.Load(m.Param("cols"), m.GP64())
	t.groupStep = m.GP64()
	m.IMUL3Q(operand.I32(t.group), t.columnStep, t.groupStep)
	bypass := m.Load(m.Param("bypass"), m.GP8())
	m.TESTB(bypass, bypass)
	m.JNZ(operand.LabelRef("bypass"))
	t.loop("through", m.store, true)
	m.VZEROUPPER()
	m.RET()
	m.Label("bypass")
	t.loop("past", func(v vec, p operand.Op) { m.VMOVNTDQ(v, p) }, false)
	m.SFENCE()
	m.VZEROUPPER()
	m.RET()
}

// spilling tells whether k vectors do not fit the registers.
func (t *transposer) spilling() bool { return t.k == 16 && !t.wide() }

// loop goes over all columns, a group at a time. fetch asks for lines of the
// destination, too, before they are stored to: those of the next line of the
// columns, and after the last one those of the next group. It must not ask for
// what follows the destination, which may be memory that was never touched: each
// such request costs a walk through the page tables that leads nowhere.
func (t *transposer) loop(label string, store func(vec, operand.Op), fetch bool) {
	m := t.machine
	m.Label(label)
	line, dest, lines := m.GP64(), m.GP64(), m.GP64()
	m.MOVQ(t.src, line)
	m.MOVQ(t.dst, dest)
	m.Load(m.Param("lines"), lines)
	m.Label(label + "Line")
	next, from := m.GP64(), m.GP64()
	m.LEAQ(operand.Mem{Base: line, Index: t.groupStep, Scale: 1}, next)
	t.walk(next, t.columnStep, t.group, func(_ int, at operand.Mem) { m.PREFETCHT0(at) })
	if fetch {
		m.MOVQ(t.rowStep, next)
		m.IMUL3Q(operand.I32(t.group), next, next)
		m.ADDQ(dest, next)
		m.LEAQ(operand.Mem{Base: t.dst, Disp: lineBytes}, from)
		m.CMPQ(lines, operand.I32(1))
		m.CMOVQEQ(from, next)
		t.walk(next, t.rowStep, t.group, func(_ int, at operand.Mem) { m.PREFETCHT0(at) })
	}
	m.MOVQ(line, from)
	t.walk(from, t.columnStep, t.group, func(i int, at operand.Mem) {
		for part := 0; part < lineBytes; part += m.width {
			m.store(m.load(at.Offset(part)), operand.Mem{Base: t.buffer, Disp: i*lineBytes + part})
		}
	})
	lanes := m.GP64()
	m.MOVQ(t.buffer, from)
	m.MOVQ(operand.I32(lineBytes/laneBytes), lanes)
	m.Label(label + "Lanes")
	t.rows(from, dest, store)
	m.ADDQ(operand.I32(laneBytes), from)
	m.DECQ(lanes)
	m.JNZ(operand.LabelRef(label + "Lanes"))
	m.ADDQ(operand.I32(lineBytes), line)
	m.DECQ(lines)
	m.JNZ(operand.LabelRef(label + "Line"))
	m.ADDQ(t.groupStep, t.src)
	m.ADDQ(operand.I32(lineBytes), t.dst)
	m.SUBQ(operand.I32(t.group), t.left)
	m.JNZ(operand.LabelRef(label))
}

// walk calls visit with the address of each of n places step bytes apart, n
// being 1 or even, and leaves p at the place after them.
func (t *transposer) walk(p, step reg.Register, n int, visit func(i int, at operand.Mem)) {
	if n == 1 {
		visit(0, operand.Mem{Base: p})
		t.ADDQ(step, p)
		return
	}
	for i := 0; i < n; i += 2 {
		visit(i, operand.Mem{Base: p})
		visit(i+1, operand.Mem{Base: p, Index: step, Scale: 1})
		t.LEAQ(operand.Mem{Base: p, Index: step, Scale: 2}, p)
	}
}

// rows moves k rows of all columns in the buffer, and leaves dest at the row
// after them. Both halves of a line that takes two vectors are stored together:
// a line that bypasses the cache leaves as soon as another one is begun, and one
// that does not may be evicted.
func (t *transposer) rows(from, dest reg.Register, store func(vec, operand.Op)) {
	if t.wide() {
		t.part(from, 0, func(_ int, rows []vec) {
			t.walk(dest, t.rowStep, len(rows), func(i int, at operand.Mem) { store(rows[i], at) })
		})
		return
	}
	t.part(from, 0, func(first int, rows []vec) {
		for i, row := range rows {
			t.store(row, t.halves.Offset((first+i)*t.width))
		}
	})
	t.part(from, t.width, func(first int, rows []vec) {
		t.walk(dest, t.rowStep, len(rows), func(i int, at operand.Mem) {
			store(t.load(t.halves.Offset((first+i)*t.width)), at)
			store(rows[i], at.Offset(t.width))
		})
	})
}

// part makes k rows of as many columns as a vector holds elements, whose place
// in the line is offset, and hands them to emit as far as they fit registers.
func (t *transposer) part(from reg.Register, offset int, emit func(first int, rows []vec)) {
	lanes := func(i int) vec {
		column := func(i int) operand.Mem {
			return operand.Mem{Base: from, Disp: (offset/t.size + i) * lineBytes}
		}
		v := t.loadLanes(column(i))
		for lane := 1; lane < t.width/laneBytes; lane++ {
			t.insertLane(lane, column(i+lane*t.k), v, v)
		}
		return v
	}
	if !t.spilling() {
		vectors := make([]vec, t.k)
		for i := range vectors {
			vectors[i] = lanes(i)
		}
		emit(0, t.interleave(vectors))
		return
	}
	// The first round of interleaving makes two halves that never meet again, one
	// for each half of the rows; the second waits on the stack.
	upper, lower := make([]vec, t.k/2), make([]vec, t.k/2)
	for i := range upper {
		x, y := lanes(i), lanes(i+t.k/2)
		upper[i] = t.unpack(t.size, false, x, y)
		t.store(t.unpack(t.size, true, x, y), t.spills.Offset(i*t.width))
	}
	emit(0, t.interleave(upper))
	for i := range lower {
		lower[i] = t.load(t.spills.Offset(i * t.width))
	}
	emit(t.k/2, t.interleave(lower))
}

// interleave transposes within lanes.
func (t *transposer) interleave(v []vec) []vec {
	n := len(v)
	for round := 1; round < n; round *= 2 {
		next := make([]vec, n)
		for i := range n / 2 {
			next[2*i] = t.unpack(t.size, false, v[i], v[i+n/2])
			next[2*i+1] = t.unpack(t.size, true, v[i], v[i+n/2])
		}
		v = next
	}
	return v
}
