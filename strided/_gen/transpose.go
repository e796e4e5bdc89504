package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// lineBytes is the size of a cache line.
const lineBytes = 64

// linePrefetch is how many groups of columns ahead lines are asked for.
const linePrefetch = 1

// transposer emits the kernel that transposes a strip: the rows that make up one
// line of each source column, and any number of columns.
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
	ahead, left         reg.Register // what to prefetch; columns to go
	buffer              reg.GPVirtual
	spills              operand.Mem
}

func transpose(m *machine, size int) {
	t := &transposer{machine: m, size: size, k: laneBytes / size, group: lineBytes / size}
	m.deepStack = true
	m.function(fmt.Sprintf("%sTranspose%d", tierName(m.width), size),
		"func(dst *byte, dstRowStride int, src *byte, srcColStride int, cols int, bypass bool)",
		fmt.Sprintf("moves %d rows by cols elements of %d bytes, cols being a multiple of %d greater than 0. To bypass the cache, dst and dstRowStride must be multiples of %d.", t.group, size, t.group, lineBytes))
	m.deepStack = false
	area := m.AllocLocal(t.group*lineBytes + lineBytes)
	t.buffer = m.GP64()
	m.LEAQ(area.Offset(lineBytes-1), t.buffer)
	m.ANDQ(operand.I32(-lineBytes), t.buffer)
	if t.spilling() {
		t.spills = m.AllocLocal(t.k / 2 * m.width)
	}
	t.dst, t.src = m.GP64(), m.GP64()
	m.Load(m.Param("dst"), t.dst)
	t.rowStep = m.Load(m.Param("dstRowStride"), m.GP64())
	m.Load(m.Param("src"), t.src)
	t.columnStep = m.Load(m.Param("srcColStride"), m.GP64())
	t.left = m.Load(m.Param("cols"), m.GP64())
	t.ahead = m.GP64()
	m.MOVQ(t.columnStep, t.ahead)
	m.IMUL3Q(operand.I32(linePrefetch*t.group), t.ahead, t.ahead)
	m.ADDQ(t.src, t.ahead)
	bypass := m.Load(m.Param("bypass"), m.GP8())
	m.TESTB(bypass, bypass)
	m.JNZ(operand.LabelRef("bypass"))
	t.loop("through", m.store)
	m.VZEROUPPER()
	m.RET()
	m.Label("bypass")
	t.loop("past", func(v vec, p operand.Op) { m.VMOVNTDQ(v, p) })
	m.SFENCE()
	m.VZEROUPPER()
	m.RET()
}

// spilling tells whether k vectors do not fit the registers.
func (t *transposer) spilling() bool { return t.k == 16 && !t.wide() }

// loop goes over all columns, a group at a time.
func (t *transposer) loop(label string, store func(vec, operand.Op)) {
	m := t.machine
	m.Label(label)
	t.walk(t.ahead, t.columnStep, t.group, 0, func(_ int, at operand.Mem) { m.PREFETCHT0(at) })
	t.walk(t.src, t.columnStep, t.group, 0, func(i int, at operand.Mem) {
		for part := 0; part < lineBytes; part += m.width {
			m.store(m.load(at.Offset(part)), operand.Mem{Base: t.buffer, Disp: i*lineBytes + part})
		}
	})
	dest, from, lanes := m.GP64(), m.GP64(), m.GP64()
	m.MOVQ(t.dst, dest)
	m.MOVQ(t.buffer, from)
	m.MOVQ(operand.I32(lineBytes/laneBytes), lanes)
	m.Label(label + "Lanes")
	next := m.GP64()
	for part := 0; part < lineBytes; part += m.width {
		m.MOVQ(dest, next)
		column := func(i int) operand.Mem {
			return operand.Mem{Base: from, Disp: (part/t.size + i) * lineBytes}
		}
		t.rows(column, next, part, store)
	}
	m.MOVQ(next, dest)
	m.ADDQ(operand.I32(laneBytes), from)
	m.DECQ(lanes)
	m.JNZ(operand.LabelRef(label + "Lanes"))
	m.ADDQ(operand.I32(lineBytes), t.dst)
	m.SUBQ(operand.I32(t.group), t.left)
	m.JNZ(operand.LabelRef(label))
}

// walk calls visit with the address of each of n places step bytes apart, n
// being 1 or even, and leaves p at the place after them.
func (t *transposer) walk(p, step reg.Register, n, disp int, visit func(i int, at operand.Mem)) {
	if n == 1 {
		visit(0, operand.Mem{Base: p, Disp: disp})
		t.ADDQ(step, p)
		return
	}
	for i := 0; i < n; i += 2 {
		visit(i, operand.Mem{Base: p, Disp: disp})
		visit(i+1, operand.Mem{Base: p, Index: step, Scale: 1, Disp: disp})
		t.LEAQ(operand.Mem{Base: p, Index: step, Scale: 2}, p)
	}
}

// rows moves k rows of a block whose columns are in memory as given, and leaves
// dest at the row after them.
func (t *transposer) rows(column func(i int) operand.Mem, dest reg.Register, disp int, store func(vec, operand.Op)) {
	if !t.spilling() {
		vectors := make([]vec, t.k)
		for i := range vectors {
			vectors[i] = t.lanes(column, i)
		}
		t.storeRows(t.interleave(vectors), dest, disp, store)
		return
	}
	// The first round of interleaving makes two halves that never meet again, one
	// for each half of the rows; the second waits on the stack.
	upper := make([]vec, t.k/2)
	for i := range upper {
		x, y := t.lanes(column, i), t.lanes(column, i+t.k/2)
		upper[i] = t.unpack(t.size, false, x, y)
		t.machine.store(t.unpack(t.size, true, x, y), t.spills.Offset(i*t.width))
	}
	t.storeRows(t.interleave(upper), dest, disp, store)
	lower := make([]vec, t.k/2)
	for i := range lower {
		lower[i] = t.load(t.spills.Offset(i * t.width))
	}
	t.storeRows(t.interleave(lower), dest, disp, store)
}

// lanes is vector i: k elements each of columns i, i+k, i+2k and so on.
func (t *transposer) lanes(column func(i int) operand.Mem, i int) vec {
	v := t.loadLanes(column(i))
	for lane := 1; lane < t.width/laneBytes; lane++ {
		t.insertLane(lane, column(i+lane*t.k), v, v)
	}
	return v
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

func (t *transposer) storeRows(rows []vec, dest reg.Register, disp int, store func(vec, operand.Op)) {
	t.walk(dest, t.rowStep, len(rows), disp, func(i int, at operand.Mem) { store(rows[i], at) })
}
