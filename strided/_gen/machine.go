package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

// machine emits instructions for one vector width: 32 bytes with AVX2 and F16C,
// 64 bytes with AVX-512 F, BW and DQ. Kernels are written once in terms of its
// methods, which take sources first and return the result in a new register.
type machine struct {
	*build.Context
	width  int
	consts map[uint64]vec         // in registers of the current function
	memory map[uint64]operand.Mem // in the file's read-only data

	spills  reg.GPVirtual // stack of the current function for spills
	spilled int           // how many the current step has made

	deepStack bool // the next functions need more stack than NOSPLIT grants
}

// rodata marks constants.
const rodata = attr.RODATA | attr.NOPTR

type vec = reg.VecVirtual

// mask selects lanes: a vector of zeros and ones for AVX2, an opmask register
// for AVX-512.
type mask = reg.Register

func newMachine(width int) *machine {
	m := &machine{Context: build.NewContext(), width: width, memory: map[uint64]operand.Mem{}}
	m.ConstraintExpr("!noasm")
	return m
}

func (m *machine) wide() bool { return m.width == 64 }

// function starts an assembly function. Its name carries the tier.
func (m *machine) function(name, signature, doc string) {
	m.Function(name)
	if !m.deepStack {
		m.Attributes(attr.NOSPLIT)
	}
	m.Pragma("noescape")
	m.SignatureExpr(signature)
	m.Doc(name + " " + doc)
	m.consts = map[uint64]vec{}
}

func (m *machine) vec() vec {
	if m.wide() {
		return m.ZMM()
	}
	return m.YMM()
}

// half is a register of half the width.
func (m *machine) half() vec {
	if m.wide() {
		return m.YMM()
	}
	return m.XMM()
}

// Constants are made before the loop that uses them, so a kernel asks for them
// first of all.

func (m *machine) const8(v uint8) vec { return m.const16(uint16(v) * 0x0101) }

func (m *machine) const16(v uint16) vec { return m.const32(uint32(v) * 0x00010001) }

func (m *machine) const32(v uint32) vec { return m.const64(uint64(v)<<32 | uint64(v)) }

func (m *machine) constFloat(f float32) vec { return m.const32(math.Float32bits(f)) }

func (m *machine) const64(v uint64) vec {
	if c, ok := m.consts[v]; ok {
		return c
	}
	c := m.vec()
	switch v {
	case 0:
		m.xorTo(c, c, c)
	case math.MaxUint64:
		if m.wide() {
			m.VPTERNLOGD(operand.U8(0xff), c, c, c)
		} else {
			m.VPCMPEQD(c, c, c)
		}
	default:
		x, g := m.XMM(), m.GP64()
		m.MOVQ(operand.U64(v), g)
		m.VMOVQ(g, x)
		m.VPBROADCASTQ(x, c)
	}
	m.consts[v] = c
	return c
}

// spilled16 is a constant that AVX2, short of registers, reads from memory
// wherever it is used; only an instruction's first operand can be one.
func (m *machine) spilled16(v uint16) operand.Op {
	if m.wide() {
		return m.const16(v)
	}
	word := uint64(v) * 0x0001000100010001
	if _, ok := m.memory[word]; !ok {
		data := m.StaticGlobal(fmt.Sprintf("words%04x", v))
		m.DataAttributes(rodata)
		for range m.width / 8 {
			m.AppendDatum(operand.U64(word))
		}
		m.memory[word] = data
	}
	return m.memory[word]
}

// load and store move a whole vector, aligned or not.

func (m *machine) load(p operand.Op) vec {
	v := m.vec()
	m.move(p, v)
	return v
}

func (m *machine) store(v vec, p operand.Op) { m.move(v, p) }

func (m *machine) move(from, to operand.Op) {
	if m.wide() {
		m.VMOVDQU64(from, to)
	} else {
		m.VMOVDQU(from, to)
	}
}

// Bitwise operations.

func (m *machine) and(x operand.Op, y vec) vec {
	r := m.vec()
	if m.wide() {
		m.VPANDD(x, y, r)
	} else {
		m.VPAND(x, y, r)
	}
	return r
}

func (m *machine) or(x, y vec) vec {
	r := m.vec()
	if m.wide() {
		m.VPORD(x, y, r)
	} else {
		m.VPOR(x, y, r)
	}
	return r
}

func (m *machine) xor(x, y vec) vec {
	r := m.vec()
	m.xorTo(x, y, r)
	return r
}

func (m *machine) xorTo(x, y, r vec) {
	if m.wide() {
		m.VPXORD(x, y, r)
	} else {
		m.VPXOR(x, y, r)
	}
}

// do2 applies an instruction of two sources; y is the first in Intel's order.
func (m *machine) do2(instruction func(...operand.Op), x, y operand.Op) vec {
	r := m.vec()
	instruction(x, y, r)
	return r
}

// shift applies a shift by an immediate.
func (m *machine) shift(instruction func(...operand.Op), bits uint8, x vec) vec {
	r := m.vec()
	instruction(operand.U8(bits), x, r)
	return r
}

// Rounding modes of the conversion to 16-bit floats.
const (
	nearestEven = operand.U8(0)
	towardsZero = operand.U8(3)
)

// narrow16 converts float32 to float16.
func (m *machine) narrow16(lo, hi vec, mode operand.U8) vec {
	l, h, r := m.vec(), m.half(), m.vec()
	convert, err := x86.VCVTPS2PH(mode, lo, lowerHalf(l))
	if err != nil {
		panic(err)
	}
	// The instruction clears the rest of the register. Unless the allocator is
	// told, it keeps what was there alive from the start of the function.
	convert.Outputs = []operand.Op{l}
	m.Instruction(convert)
	m.VCVTPS2PH(mode, hi, h)
	if m.wide() {
		m.VINSERTI64X4(operand.U8(1), h, l, r)
	} else {
		m.VINSERTI128(operand.U8(1), h, l, r)
	}
	return r
}

func lowerHalf(v vec) reg.Register {
	if v.Size() == 64 {
		return v.AsY()
	}
	return v.AsX()
}
