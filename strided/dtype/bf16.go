package dtype

import "math"

// BF16 holds the bits of a bfloat16 number, the upper half of an IEEE 754
// binary32. It is the Go type of BFloat16.
type BF16 uint16

// BF16NaN is the canonical quiet NaN, which every arithmetic NaN becomes.
const BF16NaN BF16 = 0x7fc0

// BF16FromFloat32 rounds f to the nearest BF16, ties to even. Values beyond the
// largest finite BF16 by half a unit in its last place or more become infinite;
// every NaN becomes BF16NaN.
func BF16FromFloat32(f float32) BF16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > f32Inf {
		return BF16NaN
	}
	return BF16((b + 0x7fff + b>>16&1) >> 16)
}

// Float32 is the value of h, exactly; a NaN keeps all its bits.
func (h BF16) Float32() float32 { return math.Float32frombits(uint32(h) << 16) }
