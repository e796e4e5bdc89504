package main

// The 8-bit floats pass through float16. Its significand has 11 bits, at least
// 2p+2 for the p of either type, so rounding a sum or a product to float16 first
// and to 8 bits after gives what rounding once would. A quotient has no such
// guarantee: it is rounded to float16 towards zero, and the lowest bit is set
// when that lost anything, so that the second rounding decides as if it saw all
// bits.
//
// Odd and even bytes are worked on apart, each in the upper half of a 16-bit
// word. There an e5m2 is a float16 as it stands; an e4m3 becomes one of 2^-8
// times its value, subnormals included, when its magnitude moves down one bit.

// float8 describes one of the types.
type float8 struct {
	scaled   bool   // float16 stands for 2^-8 times the value
	infinite bool   // has infinities, so that operations may make NaN
	fraction uint8  // how many bits of a float16 its fraction lacks
	largest  uint16 // its largest finite magnitude
}

var (
	e4m3 = float8{scaled: true, fraction: 7, largest: 0x7e}
	e5m2 = float8{infinite: true, fraction: 8, largest: 0x7b}
)

func (t float8) sum(m *machine, _ vec) step { return t.combine(m, add32, false) }

func (t float8) product(m *machine, _ vec) step {
	if !t.scaled {
		return t.combine(m, mul32, false)
	}
	unscale := m.constFloat(0x1p8)
	return t.combine(m, func(m *machine, x, y vec) vec { return mul32(m, mul32(m, x, y), unscale) }, false)
}

func (t float8) average(m *machine, divisor vec) step {
	return t.combine(m, avg32(divisor), true)
}

// combine is f on 8-bit floats; sticky says that f's results must not be rounded
// twice.
func (t float8) combine(m *machine, f binary32, sticky bool) step {
	m.spillArea(8)
	high, signs, nan := m.const16(0xff00), m.const8(0x80), m.const8(0x7f)
	split, narrow, round := t.words(m, high), t.narrow(m, sticky), t.round(m)
	isNaN := t.isNaN(m, high)
	largest, rest := m.spilled16(t.largest*0x0101), nan
	halves := func(x, y source) vec {
		xl, xh := x.widen16()
		yl, yh := y.widen16()
		return narrow(f(m, xl, yl), f(m, xh, yh))
	}
	finish := func(x, y, odd, even vec) vec {
		roundOdd, roundEven := round(odd), round(even)
		if t.fraction == 7 {
			roundOdd = m.do2(m.VPADDW, roundOdd, roundOdd)
		}
		r := m.chooseBits(high, roundOdd, m.shift(m.VPSRLW, t.fraction, roundEven))
		var sign vec
		if t.fraction == 7 { // the signs were shifted out
			sign = m.chooseBits(high, odd, m.shift(m.VPSRLW, 8, even))
		} else {
			sign, r = r, m.and(r, rest)
		}
		r = m.do2(m.VPMINUB, largest, r)
		return m.choose(8, isNaN(x, y, odd, even), nan, m.withSign(signs, sign, r))
	}
	// One dependency chain is long enough to fill a processor's scheduler, so each
	// stage is emitted for all vectors before the next stage begins.
	return func(x, y []source) []vec {
		m.spilled = 0
		type words struct{ x, y source }
		parts := make([]words, 2*len(x))
		for i := range x {
			parts[2*i].x, parts[2*i+1].x = split(x[i].vector())
			parts[2*i].y, parts[2*i+1].y = split(y[i].vector())
		}
		combined := make([]vec, len(parts))
		for i, p := range parts {
			combined[i] = halves(p.x, p.y)
		}
		results := make([]vec, len(x))
		for i := range x {
			results[i] = finish(x[i].vector(), y[i].vector(), combined[2*i], combined[2*i+1])
		}
		return results
	}
}

// words makes float16 of odd and even bytes.
func (t float8) words(m *machine, high vec) func(x vec) (odd, even source) {
	if !t.scaled {
		return func(x vec) (odd, even source) {
			return m.spill(m.and(x, high)), m.spill(m.shift(m.VPSLLW, 8, x))
		}
	}
	// After the arithmetic shift the sign stands in two bits; keep the upper one.
	keep := m.spilled16(0xbf80)
	place := func(x vec) vec { return m.and(keep, m.shift(m.VPSRAW, 1, x)) }
	return func(x vec) (odd, even source) {
		return m.spill(place(x)), m.spill(place(m.shift(m.VPSLLW, 8, x)))
	}
}

// narrow makes float16 of float32.
func (t float8) narrow(m *machine, sticky bool) func(lo, hi vec) vec {
	if !sticky {
		return func(lo, hi vec) vec { return m.narrow16(lo, hi, nearestEven) }
	}
	lowest := m.constFloat(0x1p-24) // the float16 whose bits are 1
	return func(lo, hi vec) vec {
		r := m.narrow16(lo, hi, towardsZero)
		backLo, backHi := m.spill(r).widen16()
		lost := func(x, back vec) vec {
			return m.and(lowest, m.ones(32, m.compareFloat(32, notEqual, x, back)))
		}
		return m.or(r, m.narrow16(lost(lo, backLo), lost(hi, backHi), nearestEven))
	}
}

// round rounds the magnitude of a float16 to nearest even, as far as this type's
// fraction goes. Bits below the fraction are left undefined, and so is the sign
// of a NaN.
func (t float8) round(m *machine) func(x vec) vec {
	bias := m.spilled16(1<<(t.fraction-1) - 1)
	if m.wide() {
		one, kept := m.const16(1), m.const16(1<<t.fraction)
		return func(x vec) vec {
			r, odd := m.do2(m.VPADDW, bias, x), m.K()
			m.VPTESTMW(kept, x, odd)
			m.VPADDW(one, r, odd, r)
			return r
		}
	}
	one := m.spilled16(1)
	return func(x vec) vec {
		lowest := m.and(one, m.shift(m.VPSRLW, t.fraction, x))
		return m.do2(m.VPADDW, lowest, m.do2(m.VPADDW, bias, x))
	}
}

// withSign takes the bits of signs from sign, the others, which are its only
// ones, from magnitude.
func (m *machine) withSign(signs, sign, magnitude vec) vec {
	if m.wide() {
		return m.chooseBits(signs, sign, magnitude)
	}
	return m.or(magnitude, m.and(signs, sign))
}

// isNaN finds the bytes of the result that are NaN: those whose float16 is, or,
// for the type without infinities, those with an operand that is.
func (t float8) isNaN(m *machine, high vec) func(x, y, odd, even vec) mask {
	if !t.infinite {
		magnitude := m.const8(0x7f)
		return func(x, y, _, _ vec) mask {
			larger := m.do2(m.VPMAXUB, m.and(x, magnitude), m.and(y, magnitude))
			return m.equal(8, larger, magnitude)
		}
	}
	magnitude, inf := m.spilled16(0x7fff), m.const16(0x7c00)
	above := func(x vec) vec { return m.ones(16, m.greater(16, m.and(magnitude, x), inf)) }
	return func(_, _, odd, even vec) mask {
		bytes := m.chooseBits(high, above(odd), above(even))
		if !m.wide() {
			return bytes
		}
		k := m.K()
		m.VPMOVB2M(bytes, k)
		return k
	}
}
