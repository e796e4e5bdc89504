package main

import (
	"github.com/mmcloughlin/avo/operand"
)

// A combiner works out x op y for one vector of elements. Its maker emits the
// constants, before the loop; the function it returns emits one step.
type combiner func(m *machine) func(x, y vec) vec

// direct is a combiner of a single instruction for which operand order does not
// matter beyond which of two NaNs survives.
func direct(pick func(m *machine) func(...operand.Op)) combiner {
	return func(m *machine) func(x, y vec) vec {
		return func(x, y vec) vec { return m.do2(pick(m), y, x) }
	}
}

var (
	addInt8    = direct(func(m *machine) func(...operand.Op) { return m.VPADDB })
	addInt32   = direct(func(m *machine) func(...operand.Op) { return m.VPADDD })
	addInt64   = direct(func(m *machine) func(...operand.Op) { return m.VPADDQ })
	addFloat32 = direct(func(m *machine) func(...operand.Op) { return m.VADDPS })
	addFloat64 = direct(func(m *machine) func(...operand.Op) { return m.VADDPD })
	mulInt32   = direct(func(m *machine) func(...operand.Op) { return m.VPMULLD })
	mulFloat32 = direct(func(m *machine) func(...operand.Op) { return m.VMULPS })
	mulFloat64 = direct(func(m *machine) func(...operand.Op) { return m.VMULPD })
)

// mulInt8 multiplies even and odd bytes as halves of 16-bit products: the low
// byte of a product of words is the product of their low bytes, and when one
// factor has only a high byte, the product's high byte is that of the high one
// and the other's low byte.
func mulInt8(m *machine) func(x, y vec) vec {
	high := m.const16(0xff00)
	return func(x, y vec) vec {
		odd := m.do2(m.VPMULLW, m.shift(m.VPSRLW, 8, x), m.and(y, high))
		even := m.do2(m.VPMULLW, x, y)
		return m.chooseBits(high, odd, even)
	}
}

// mulInt64 sums the products of 32-bit halves that reach the low 64 bits:
// xl*yl + (xh*yl + xl*yh)<<32.
func mulInt64(m *machine) func(x, y vec) vec {
	return func(x, y vec) vec {
		if m.wide() {
			return m.do2(m.VPMULLQ, y, x)
		}
		swapped := m.shift(m.VPSHUFD, 0xb1, y)
		cross := m.do2(m.VPMULLD, swapped, x)
		cross = m.do2(m.VPADDD, cross, m.shift(m.VPSHUFD, 0xb1, cross))
		cross = m.shift(m.VPSLLQ, 32, cross)
		return m.do2(m.VPADDQ, cross, m.do2(m.VPMULUDQ, x, y))
	}
}

// chooseBits takes the bits of yes where sel has ones and those of no elsewhere.
// Unless vectors are wide, sel's bytes are all ones or zero.
func (m *machine) chooseBits(sel, yes, no vec) vec {
	r := m.vec()
	if m.wide() {
		m.VMOVDQA64(sel, r)
		m.VPTERNLOGD(operand.U8(0xca), no, yes, r)
	} else {
		m.VPBLENDVB(sel, yes, no, r)
	}
	return r
}

// Averages are sums that are divided by the number of ranks, which divisor holds
// in every lane.

func avgFloat32(m *machine, divisor vec) step {
	return onVectors(func(x, y vec) vec { return m.do2(m.VDIVPS, divisor, m.do2(m.VADDPS, y, x)) })
}

func avgFloat64(m *machine, divisor vec) step {
	return onVectors(func(x, y vec) vec { return m.do2(m.VDIVPD, divisor, m.do2(m.VADDPD, y, x)) })
}
