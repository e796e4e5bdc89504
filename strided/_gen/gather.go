package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
)

// Exchanges of the quarters of a vector.
const (
	swapMiddle = operand.U8(0xd8)
	swapLanes  = operand.U8(0x4e)
	backwards  = operand.U8(0x1b) // of four elements
)

// gathers emits kernels for the strides that have one: every second element, and
// backwards. They are AVX2 only; wider vectors would not help memory.
func gathers(m *machine) {
	for _, size := range []int{1, 2, 4, 8, 16} {
		everySecond(m, size)
		reverse(m, size)
	}
}

// everySecond packs the even elements of two vectors into one. Packing works
// within lanes, so the middle quarters end up exchanged.
func everySecond(m *machine, size int) {
	m.function(fmt.Sprintf("avx2EverySecond%d", size), "func(dst, src *byte, n int)",
		fmt.Sprintf("stores every second of 2*n elements of %d bytes, n being a multiple of %d greater than 0.", size, m.width/size))
	var pack func(x, y vec) vec
	switch size {
	case 1:
		low := m.const16(0x00ff)
		pack = func(x, y vec) vec { return m.do2(m.VPACKUSWB, m.and(y, low), m.and(x, low)) }
	case 2:
		low := m.const32(0x0000ffff)
		pack = func(x, y vec) vec { return m.do2(m.VPACKUSDW, m.and(y, low), m.and(x, low)) }
	case 4:
		pack = func(x, y vec) vec {
			r := m.vec()
			m.VSHUFPS(operand.U8(0x88), y, x, r)
			return r
		}
	case 8:
		pack = func(x, y vec) vec { return m.unpack(8, false, x, y) }
	default:
		pack = func(x, y vec) vec {
			r := m.vec()
			m.VPERM2I128(operand.U8(0x20), y, x, r)
			return r
		}
	}
	dst, src, left := m.Load(m.Param("dst"), m.GP64()), m.Load(m.Param("src"), m.GP64()), m.Load(m.Param("n"), m.GP64())
	m.Label("loop")
	from := operand.Mem{Base: src}
	r := pack(m.load(from), m.load(from.Offset(m.width)))
	if size < 16 {
		m.VPERMQ(swapMiddle, r, r)
	}
	m.store(r, operand.Mem{Base: dst})
	m.ADDQ(operand.I32(2*m.width), src)
	m.ADDQ(operand.I32(m.width), dst)
	m.SUBQ(operand.I32(m.width/size), left)
	m.JNZ(operand.LabelRef("loop"))
	m.VZEROUPPER()
	m.RET()
}

// reverse copies backwards: within lanes first, then across them.
func reverse(m *machine, size int) {
	m.function(fmt.Sprintf("avx2Reverse%d", size), "func(dst, src *byte, n int)",
		fmt.Sprintf("stores n elements of %d bytes in reverse order, n being a multiple of %d greater than 0.", size, m.width/size))
	var order vec
	if size <= 2 {
		data := m.StaticGlobal(fmt.Sprintf("reverse%d", size))
		m.DataAttributes(rodata)
		for i := range m.width {
			at := laneBytes - 1 - i%laneBytes
			m.AppendDatum(operand.U8(at/size*size + i%size))
		}
		order = m.load(data)
	}
	dst, src, left := m.Load(m.Param("dst"), m.GP64()), m.Load(m.Param("src"), m.GP64()), m.Load(m.Param("n"), m.GP64())
	from := m.GP64()
	m.MOVQ(left, from)
	m.IMUL3Q(operand.I32(size), from, from)
	m.ADDQ(from, src)
	m.Label("loop")
	m.SUBQ(operand.I32(m.width), src)
	x, r := m.load(operand.Mem{Base: src}), m.vec()
	switch size {
	case 1, 2:
		m.VPSHUFB(order, x, x)
		m.VPERMQ(swapLanes, x, r)
	case 4:
		m.VPSHUFD(backwards, x, x)
		m.VPERMQ(swapLanes, x, r)
	case 8:
		m.VPERMQ(backwards, x, r)
	default:
		m.VPERMQ(swapLanes, x, r)
	}
	m.store(r, operand.Mem{Base: dst})
	m.ADDQ(operand.I32(m.width), dst)
	m.SUBQ(operand.I32(m.width/size), left)
	m.JNZ(operand.LabelRef("loop"))
	m.VZEROUPPER()
	m.RET()
}
