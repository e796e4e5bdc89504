package main

import "github.com/mmcloughlin/avo/operand"

// moves emits the kernels that rearrange elements.
func moves(m *machine) {
	for _, size := range []int{1, 2, 4, 8, 16} {
		transpose(m, size)
	}
	if !m.wide() {
		copyRows(m)
		gathers(m)
		for _, size := range []int{2, 4, 8} {
			lanes(m, size)
		}
	}
}

// lane is the width in bytes of the 128-bit lanes that unpacking works in.
const laneBytes = 16

// loadLanes fills every lane with the same 16 bytes. It costs what a load into
// one lane costs, and unlike that one leaves nothing undefined.
func (m *machine) loadLanes(p operand.Mem) vec {
	v := m.vec()
	if m.wide() {
		m.VBROADCASTI32X4(p, v)
	} else {
		m.VBROADCASTI128(p, v)
	}
	return v
}

// insertLane makes r of v with its lane number i replaced by memory.
func (m *machine) insertLane(i int, p operand.Mem, v, r vec) {
	if m.wide() {
		m.VINSERTI32X4(operand.U8(i), p, v, r)
	} else {
		m.VINSERTI128(operand.U8(i), p, v, r)
	}
}

// unpack interleaves the elements of x and y, those of the lower or the upper
// half of each lane.
func (m *machine) unpack(size int, upper bool, x, y vec) vec {
	instruction := map[int][2]func(...operand.Op){
		1: {m.VPUNPCKLBW, m.VPUNPCKHBW},
		2: {m.VPUNPCKLWD, m.VPUNPCKHWD},
		4: {m.VPUNPCKLDQ, m.VPUNPCKHDQ},
		8: {m.VPUNPCKLQDQ, m.VPUNPCKHQDQ},
	}[size]
	if upper {
		return m.do2(instruction[1], y, x)
	}
	return m.do2(instruction[0], y, x)
}
