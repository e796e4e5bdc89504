package main

import (
	"github.com/mmcloughlin/avo/operand"
)

// source is a vector of operands, in a register or still in memory.
type source struct {
	m        *machine
	register vec
	memory   operand.Mem
}

func (m *machine) fromMemory(p operand.Mem) source { return source{m: m, memory: p} }

func (m *machine) fromRegister(v vec) source { return source{m: m, register: v} }

// vector is the whole vector in a register.
func (s source) vector() vec {
	if s.register != nil {
		return s.register
	}
	return s.m.load(s.memory)
}

// widen16 converts float16 to float32. A conversion from memory needs no shuffle
// to get at the upper half; shuffles and conversions of registers compete for one
// execution port.
func (s source) widen16() (lo, hi vec) {
	m := s.m
	lo, hi = m.vec(), m.vec()
	if s.register == nil {
		m.VCVTPH2PS(s.memory, lo)
		m.VCVTPH2PS(s.memory.Offset(m.width/2), hi)
		return lo, hi
	}
	h := m.half()
	if m.wide() {
		m.VEXTRACTI64X4(operand.U8(1), s.register, h)
		m.VCVTPH2PS(s.register.AsY(), lo)
	} else {
		m.VEXTRACTI128(operand.U8(1), s.register, h)
		m.VCVTPH2PS(s.register.AsX(), lo)
	}
	m.VCVTPH2PS(h, hi)
	return lo, hi
}

// spillArea sets aside aligned stack for so many spills in each step.
func (m *machine) spillArea(count int) {
	area := m.AllocLocal((count + 1) * m.width)
	m.spills = m.GP64()
	m.LEAQ(area.Offset(m.width-1), m.spills)
	m.ANDQ(operand.I32(-m.width), m.spills)
}

// spill moves a register to the stack, where widen16 is cheaper. The place is
// good for the current step; the next one starts over.
func (m *machine) spill(v vec) source {
	slot := operand.Mem{Base: m.spills, Disp: m.spilled * m.width}
	m.spilled++
	m.store(v, slot)
	return m.fromMemory(slot)
}

// step emits the work on some vectors of operands.
type step func(x, y []source) []vec

// each makes a step of one that works on vectors one by one.
func each(f func(x, y source) vec) step {
	return func(x, y []source) []vec {
		results := make([]vec, len(x))
		for i := range x {
			results[i] = f(x[i], y[i])
		}
		return results
	}
}

// onVectors makes a step of one that has no use for memory operands.
func onVectors(f func(x, y vec) vec) step {
	return each(func(x, y source) vec { return f(x.vector(), y.vector()) })
}
