package main

import (
	"github.com/mmcloughlin/avo/operand"
)

var (
	maxInt8   = direct(func(m *machine) func(...operand.Op) { return m.VPMAXSB })
	minInt8   = direct(func(m *machine) func(...operand.Op) { return m.VPMINSB })
	maxUint8  = direct(func(m *machine) func(...operand.Op) { return m.VPMAXUB })
	minUint8  = direct(func(m *machine) func(...operand.Op) { return m.VPMINUB })
	maxInt32  = direct(func(m *machine) func(...operand.Op) { return m.VPMAXSD })
	minInt32  = direct(func(m *machine) func(...operand.Op) { return m.VPMINSD })
	maxUint32 = direct(func(m *machine) func(...operand.Op) { return m.VPMAXUD })
	minUint32 = direct(func(m *machine) func(...operand.Op) { return m.VPMINUD })
)

// selectInt64 is max or min of 64-bit integers. AVX2 has only a signed
// comparison; flipping the sign bits makes it order unsigned numbers.
func selectInt64(signed, max bool) combiner {
	return func(m *machine) func(x, y vec) vec {
		if m.wide() {
			instruction := m.VPMINUQ
			switch {
			case signed && max:
				instruction = m.VPMAXSQ
			case signed:
				instruction = m.VPMINSQ
			case max:
				instruction = m.VPMAXUQ
			}
			return func(x, y vec) vec { return m.do2(instruction, y, x) }
		}
		var bias vec
		if !signed {
			bias = m.const64(1 << 63)
		}
		return func(x, y vec) vec {
			kx, ky := x, y
			if !signed {
				kx, ky = m.xor(x, bias), m.xor(y, bias)
			}
			above := m.greater(64, kx, ky)
			if max {
				return m.choose(64, above, x, y)
			}
			return m.choose(64, above, y, x)
		}
	}
}

// selectWide is max or min of float32 or float64. A NaN operand is replaced by
// the other first; then both are numbers or both are NaN. The instruction yields
// its second source for two zeros, so both orders are tried: their results
// differ only for zeros of opposite sign, where "and" gives +0 and "or" -0.
func selectWide(l lane, max bool) combiner {
	return func(m *machine) func(x, y vec) vec {
		nan := m.const64(0x7ff8 << 48)
		instruction := m.VMINPD
		switch {
		case l == 32 && max:
			instruction = m.VMAXPS
		case l == 32:
			instruction = m.VMINPS
		case max:
			instruction = m.VMAXPD
		}
		if l == 32 {
			nan = m.const32(0x7fc00000)
		}
		return func(x, y vec) vec {
			a := m.choose(l, m.compareFloat(l, unordered, x, x), y, x)
			b := m.choose(l, m.compareFloat(l, unordered, y, y), a, y)
			r, s := m.do2(instruction, b, a), m.do2(instruction, a, b)
			if max {
				r = m.and(r, s)
			} else {
				r = m.or(r, s)
			}
			return m.choose(l, m.compareFloat(l, unordered, a, b), nan, r)
		}
	}
}

// selectNarrow is max or min of floats of 8 or 16 bits, done on integers.
// Inverting the magnitude bits of negative numbers makes signed integers order
// them as numbers, -0 just below +0, and puts NaNs at both ends: those at the
// end that would win are inverted and so sent to the other end, where anything
// beyond infinity is a NaN that met a NaN. top is the largest magnitude that is
// not NaN.
func selectNarrow(l lane, top, nan uint16, max bool) combiner {
	return func(m *machine) func(x, y vec) vec {
		constant := m.const16
		instructionMax, instructionMin := m.VPMAXSW, m.VPMINSW
		if l == 8 {
			constant = func(v uint16) vec { return m.const8(uint8(v)) }
			instructionMax, instructionMin = m.VPMAXSB, m.VPMINSB
		}
		key := m.orderKey(l)
		best, worst := constant(top), constant(^top)
		quiet := constant(nan)
		if m.wide() {
			m.const64(1<<64 - 1)
		}
		return func(x, y vec) vec {
			kx, ky := key(x), key(y)
			if max {
				kx = m.flip(l, m.greater(l, kx, best), kx)
				ky = m.flip(l, m.greater(l, ky, best), ky)
				r := m.do2(instructionMax, kx, ky)
				return m.choose(l, m.greater(l, worst, r), quiet, key(r))
			}
			kx = m.flip(l, m.greater(l, worst, kx), kx)
			ky = m.flip(l, m.greater(l, worst, ky), ky)
			r := m.do2(instructionMin, kx, ky)
			return m.choose(l, m.greater(l, r, best), quiet, key(r))
		}
	}
}

// orderKey inverts the magnitude bits of lanes whose sign bit is set. It is its
// own inverse.
func (m *machine) orderKey(l lane) func(x vec) vec {
	if l == 16 {
		return func(x vec) vec {
			return m.xor(x, m.shift(m.VPSRLW, 1, m.shift(m.VPSRAW, 15, x)))
		}
	}
	zero, magnitude := m.const64(0), m.const8(0x7f)
	return func(x vec) vec {
		return m.xor(x, m.and(magnitude, m.ones(8, m.greater(8, zero, x))))
	}
}
