package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// lanes emits the transposes of matrices too narrow for whole cache lines: as
// many rows, or columns, as a lane holds elements. Lines are shared with what is
// moved before and after, so nothing bypasses the cache. They are AVX2 only.
func lanes(m *machine, size int) {
	k := laneBytes / size
	step := m.width / size
	t := &transposer{machine: m, size: size, k: k}

	m.function(fmt.Sprintf("avx2TransposeFlat%d", size),
		"func(dst *byte, dstRowStride int, src *byte, srcColStride int, cols int)",
		fmt.Sprintf("moves %d rows by cols elements of %d bytes, cols being a multiple of %d greater than 0.", k, size, step))
	dst, rowStep, src, colStep, left := t.arguments("cols")
	row, ahead := m.GP64(), m.GP64()
	m.IMUL3Q(operand.I32(2*step), colStep, ahead)
	m.Label("loop")
	next := m.GP64()
	m.LEAQ(operand.Mem{Base: src, Index: ahead, Scale: 1}, next)
	t.walk(next, colStep, step, func(_ int, at operand.Mem) { m.PREFETCHT0(at) })
	v := make([]vec, k)
	t.walk(src, colStep, step, func(i int, at operand.Mem) {
		if i < k {
			v[i] = m.loadLanes(at)
		} else {
			m.insertLane(1, at, v[i-k], v[i-k])
		}
	})
	rows := t.interleave(v)
	m.MOVQ(dst, row)
	t.walk(row, rowStep, k, func(i int, at operand.Mem) { m.store(rows[i], at) })
	m.ADDQ(operand.I32(m.width), dst)
	m.SUBQ(operand.I32(step), left)
	m.JNZ(operand.LabelRef("loop"))
	m.VZEROUPPER()
	m.RET()

	m.function(fmt.Sprintf("avx2TransposeTall%d", size),
		"func(dst *byte, dstRowStride int, src *byte, srcColStride int, rows int)",
		fmt.Sprintf("moves rows by %d elements of %d bytes, rows being a multiple of %d greater than 0.", k, size, step))
	dst, rowStep, src, colStep, left = t.arguments("rows")
	ahead = m.GP64()
	m.IMUL3Q(operand.I32(2*step), rowStep, ahead)
	m.Label("loop")
	next, column := m.GP64(), m.GP64()
	m.LEAQ(operand.Mem{Base: dst, Index: ahead, Scale: 1}, next)
	t.walk(next, rowStep, step, func(_ int, at operand.Mem) { m.PREFETCHT0(at) })
	v = make([]vec, k)
	m.MOVQ(src, column)
	t.walk(column, colStep, k, func(i int, at operand.Mem) { v[i] = m.load(at) })
	rows = t.interleave(v)
	t.walk(dst, rowStep, step, func(i int, at operand.Mem) {
		if i < k {
			m.VMOVDQU(rows[i].AsX(), at)
		} else {
			m.VEXTRACTI128(operand.U8(1), rows[i-k], at)
		}
	})
	m.ADDQ(operand.I32(m.width), src)
	m.SUBQ(operand.I32(step), left)
	m.JNZ(operand.LabelRef("loop"))
	m.VZEROUPPER()
	m.RET()
}

// arguments loads those of a transpose of lanes.
func (t *transposer) arguments(count string) (dst, rowStep, src, colStep, left reg.Register) {
	load := func(name string) reg.Register { return t.Load(t.Param(name), t.GP64()) }
	return load("dst"), load("dstRowStride"), load("src"), load("srcColStride"), load(count)
}
