package dtype

import "math"

// E4M3 holds the bits of an 8-bit float with four exponent bits (bias 7) and
// three fraction bits, as in the OCP 8-bit floating point specification. It has
// no infinity: the largest finite value is 448, and 0x7f and 0xff are NaN. It is
// the Go type of Float8E4M3.
type E4M3 uint8

// E5M2 holds the bits of an 8-bit float with five exponent bits (bias 15) and
// two fraction bits, as in the OCP 8-bit floating point specification: the upper
// half of an F16. The largest finite value is 57344. It is the Go type of
// Float8E5M2.
type E5M2 uint8

// The canonical NaNs, which every arithmetic NaN becomes.
const (
	E4M3NaN E4M3 = 0x7f
	E5M2NaN E5M2 = 0x7f
)

const (
	e4m3Max = 0x7e
	e5m2Max = 0x7b
)

// E4M3FromFloat32 rounds f to the nearest E4M3, ties to even. Anything larger
// than 448 in magnitude, infinity included, becomes 448 with f's sign, as in
// CUDA's __NV_SATFINITE mode; every NaN becomes E4M3NaN.
func E4M3FromFloat32(f float32) E4M3 {
	b := math.Float32bits(f)
	sign := E4M3(b >> 24 & 0x80)
	mag := b & 0x7fffffff
	switch {
	case mag > f32Inf:
		return E4M3NaN
	case mag >= 0x3c800000: // 2^-6, the smallest normal E4M3
		mag -= (127 - 7) << 23
		mag += 0x7ffff + mag>>20&1
		return sign | E4M3(min(mag>>20, e4m3Max))
	}
	// The spacing of subnormals, 2^-9, is one unit in the last place of 2^14.
	sum := math.Float32frombits(mag) + 0x1p14
	return sign | E4M3(math.Float32bits(sum)-math.Float32bits(0x1p14))
}

// E5M2FromFloat32 rounds f to the nearest E5M2, ties to even. Anything larger
// than 57344 in magnitude, infinity included, becomes 57344 with f's sign, as in
// CUDA's __NV_SATFINITE mode; every NaN becomes E5M2NaN.
func E5M2FromFloat32(f float32) E5M2 {
	b := math.Float32bits(f)
	sign := E5M2(b >> 24 & 0x80)
	mag := b & 0x7fffffff
	switch {
	case mag > f32Inf:
		return E5M2NaN
	case mag >= 0x38800000: // 2^-14, the smallest normal E5M2
		mag -= f16Rebias
		mag += 0xfffff + mag>>21&1
		return sign | E5M2(min(mag>>21, e5m2Max))
	}
	// The spacing of subnormals, 2^-16, is one unit in the last place of 2^7.
	sum := math.Float32frombits(mag) + 0x1p7
	return sign | E5M2(math.Float32bits(sum)-math.Float32bits(0x1p7))
}

// e4m3Values holds the value of every E4M3: 1 KiB, computed once, because a
// lookup beats the arithmetic by far.
var e4m3Values = func() (values [256]float32) {
	for i := range values {
		sign := uint32(i) >> 7 << 31
		mag := uint32(i) & 0x7f
		var bits uint32
		switch {
		case mag < 0x08: // zero or subnormal: a multiple of 2^-9
			bits = math.Float32bits(float32(mag) * 0x1p-9)
		case mag < 0x7f:
			bits = mag<<20 + (127-7)<<23
		default:
			bits = f32Inf | f32Quiet
		}
		values[i] = math.Float32frombits(sign | bits)
	}
	return values
}()

// e5m2Values holds the value of every E5M2.
var e5m2Values = func() (values [256]float32) {
	for i := range values {
		values[i] = F16(i << 8).Float32()
	}
	return values
}()

// Float32 is the value of e, exactly; a NaN is quiet and keeps its sign.
func (e E4M3) Float32() float32 { return e4m3Values[e] }

// Float32 is the value of e, exactly; a NaN is quiet and keeps its sign.
func (e E5M2) Float32() float32 { return e5m2Values[e] }
