package main

import "github.com/mmcloughlin/avo/operand"

// A binary32 makes float32 out of two float32 vectors.
type binary32 func(m *machine, x, y vec) vec

func add32(m *machine, x, y vec) vec { return m.do2(m.VADDPS, y, x) }

func mul32(m *machine, x, y vec) vec { return m.do2(m.VMULPS, y, x) }

// avg32 is a sum divided by divisor.
func avg32(divisor vec) binary32 {
	return func(m *machine, x, y vec) vec { return m.do2(m.VDIVPS, divisor, add32(m, x, y)) }
}

// float16 widens with F16C, operates and narrows with F16C, which rounds to
// nearest even and knows subnormals and overflow. Its NaNs keep sign and
// payload, so they are made canonical.
func float16(m *machine, f binary32) step {
	magnitude, inf, nan := m.const16(0x7fff), m.const16(0x7c00), m.const16(0x7e00)
	return each(func(x, y source) vec {
		xl, xh := x.widen16()
		yl, yh := y.widen16()
		r := m.narrow16(f(m, xl, yl), f(m, xh, yh), nearestEven)
		return m.choose(16, m.greater(16, m.and(r, magnitude), inf), nan, r)
	})
}

// bfloat16 works on even and odd elements apart, because a shift or a mask
// widens them, and rounds to nearest even with integers: adding 0x7fff plus the
// lowest bit kept carries into the upper half exactly when it must, into
// infinity if need be. A NaN comes of operands, or of an instruction's default,
// whose lower halves are zero, so rounding leaves it a NaN, to be made canonical
// with its neighbours once the halves are together.
func bfloat16(m *machine, f binary32) step {
	high, bias, one := m.const32(0xffff0000), m.const32(0x7fff), m.const32(1)
	magnitude, inf, nan := m.const16(0x7fff), m.const16(0x7f80), m.const16(0x7fc0)
	var lowestKept vec
	if m.wide() {
		lowestKept = m.const32(1 << 16)
	}
	round := func(r vec) vec {
		biased := m.do2(m.VPADDD, r, bias)
		if m.wide() {
			odd := m.K()
			m.VPTESTMD(lowestKept, r, odd)
			m.VPADDD(one, biased, odd, biased)
			return biased
		}
		lowest := m.and(m.shift(m.VPSRLD, 16, r), one)
		return m.do2(m.VPADDD, lowest, biased)
	}
	return onVectors(func(x, y vec) vec {
		odd := f(m, m.and(x, high), m.and(y, high))
		even := f(m, m.shift(m.VPSLLD, 16, x), m.shift(m.VPSLLD, 16, y))
		r := m.oddWords(high, round(odd), m.shift(m.VPSRLD, 16, round(even)))
		return m.choose(16, m.greater(16, m.and(r, magnitude), inf), nan, r)
	})
}

// oddWords takes the odd 16-bit words of odd and the even ones of even. high
// has ones in odd words.
func (m *machine) oddWords(high, odd, even vec) vec {
	if m.wide() {
		return m.chooseBits(high, odd, even)
	}
	r := m.vec()
	m.VPBLENDW(operand.U8(0xaa), odd, even, r)
	return r
}
