package dtype

import "math"

// F16 holds the bits of an IEEE 754 binary16 number: one sign bit, five
// exponent bits (bias 15), ten fraction bits. It is the Go type of Float16.
type F16 uint16

// F16NaN is the canonical quiet NaN, which every arithmetic NaN becomes.
const F16NaN F16 = 0x7e00

const (
	f16Inf       = 0x7c00
	f16MinNormal = 0x0400
	f16Rebias    = (127 - 15) << 23
	f32Inf       = 0x7f800000
	f32Quiet     = 0x00400000
)

// F16FromFloat32 rounds f to the nearest F16, ties to even. Values of magnitude
// 65520 and more become infinite; every NaN becomes F16NaN.
func F16FromFloat32(f float32) F16 {
	b := math.Float32bits(f)
	sign := F16(b >> 16 & 0x8000)
	mag := b & 0x7fffffff
	switch {
	case mag > f32Inf:
		return F16NaN
	case mag >= 0x477ff000: // 65520, halfway between the largest F16 and 2^16
		return sign | f16Inf
	case mag >= 0x38800000: // 2^-14, the smallest normal F16
		mag -= f16Rebias
		mag += 0xfff + mag>>13&1
		return sign | F16(mag>>13)
	}
	// Subnormal: one unit in the last place of 0.5 is 2^-24, the spacing of
	// subnormal F16 values, so the addition itself rounds to nearest even.
	sum := math.Float32frombits(mag) + 0.5
	return sign | F16(math.Float32bits(sum)-math.Float32bits(0.5))
}

// Float32 is the value of h, exactly. A signalling NaN becomes quiet and keeps
// its sign and payload.
func (h F16) Float32() float32 {
	sign := uint32(h&0x8000) << 16
	mag := uint32(h & 0x7fff)
	switch {
	case mag < f16MinNormal: // zero or subnormal: a multiple of 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(mag)*0x1p-24))
	case mag < f16Inf:
		return math.Float32frombits(sign | (mag<<13 + f16Rebias))
	case mag == f16Inf:
		return math.Float32frombits(sign | f32Inf)
	}
	return math.Float32frombits(sign | f32Inf | f32Quiet | mag<<13)
}
