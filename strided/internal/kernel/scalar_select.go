package kernel

import (
	"math"
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

// maxWide orders numbers as the built-in max does, -0 before +0, but lets a NaN
// lose to a number.
func maxWide[T wide](x, y, nan T) T {
	if x != x {
		if y != y {
			return nan
		}
		return y
	}
	if y != y {
		return x
	}
	return max(x, y)
}

func minWide[T wide](x, y, nan T) T {
	if x != x {
		if y != y {
			return nan
		}
		return y
	}
	if y != y {
		return x
	}
	return min(x, y)
}

// The canonical quiet NaNs.
var (
	nan32 = math.Float32frombits(0x7fc00000)
	nan64 = math.Float64frombits(0x7ff8000000000000)
)

// narrowFloat describes a narrow float's bits: its magnitude bits, the largest
// magnitude that is not NaN, and the canonical NaN.
type narrowFloat[T uint8 | uint16] struct{ mag, top, nan T }

var (
	f16Bits  = narrowFloat[uint16]{0x7fff, 0x7c00, uint16(dtype.F16NaN)}
	bf16Bits = narrowFloat[uint16]{0x7fff, 0x7f80, uint16(dtype.BF16NaN)}
	e4m3Bits = narrowFloat[uint8]{0x7f, 0x7e, uint8(dtype.E4M3NaN)}
	e5m2Bits = narrowFloat[uint8]{0x7f, 0x7c, uint8(dtype.E5M2NaN)}
)

// key maps bits to an unsigned integer whose order is that of the values, with
// -0 just below +0.
func (f narrowFloat[T]) key(v T) T {
	if v > f.mag {
		return ^v
	}
	return v | (f.mag + 1)
}

func (f narrowFloat[T]) greater(x, y T) T {
	if x&f.mag > f.top {
		if y&f.mag > f.top {
			return f.nan
		}
		return y
	}
	if y&f.mag > f.top || f.key(x) >= f.key(y) {
		return x
	}
	return y
}

func (f narrowFloat[T]) lesser(x, y T) T {
	if x&f.mag > f.top {
		if y&f.mag > f.top {
			return f.nan
		}
		return y
	}
	if y&f.mag > f.top || f.key(x) <= f.key(y) {
		return x
	}
	return y
}

func selectNarrow[T uint8 | uint16](op dtype.Op, f narrowFloat[T], out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[T](out, a, b, n)
	if op == dtype.Max {
		for i := range o {
			o[i] = f.greater(x[i], y[i])
		}
		return
	}
	for i := range o {
		o[i] = f.lesser(x[i], y[i])
	}
}
