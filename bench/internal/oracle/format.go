package oracle

import (
	"math"
	"slices"
	"sync"

	"github.com/monel-dev/monel/strided/dtype"
)

// kind sorts the element types by how the oracle computes in them.
type kind int

const (
	signed kind = iota
	unsigned
	float
)

// format is what the oracle knows of an element type.
type format struct {
	kind     kind
	exponent int              // floats: bits of the exponent
	mantissa int              // floats: stored bits of the mantissa
	infinity bool             // floats: the top exponent is for infinity and NaN only
	exact    int64            // every integer up to here, and every partial sum, is exact
	finite   func() []float64 // narrow floats: the values of the patterns of finite, non-negative numbers
	encode   encoder          // a value that is representable, or is to be rounded, to bits
}

type encoder func(format, float64) uint64

var formats = map[dtype.DType]format{
	dtype.Int8:       {kind: signed, exact: math.MaxInt8, encode: integer},
	dtype.Uint8:      {kind: unsigned, exact: math.MaxUint8, encode: integer},
	dtype.Int32:      {kind: signed, exact: math.MaxInt32, encode: integer},
	dtype.Uint32:     {kind: unsigned, exact: math.MaxUint32, encode: integer},
	dtype.Int64:      {kind: signed, exact: 1 << 53, encode: integer},
	dtype.Uint64:     {kind: unsigned, exact: 1 << 53, encode: integer},
	dtype.Float16:    narrowFloat(5, 10, true),
	dtype.BFloat16:   narrowFloat(8, 7, true),
	dtype.Float8E4M3: narrowFloat(4, 3, false),
	dtype.Float8E5M2: narrowFloat(5, 2, true),
	dtype.Float32: {kind: float, exact: 1 << 24, encode: func(_ format, x float64) uint64 {
		return uint64(math.Float32bits(float32(x)))
	}},
	dtype.Float64: {kind: float, exact: 1 << 53, encode: func(_ format, x float64) uint64 {
		return math.Float64bits(x)
	}},
}

func narrowFloat(exponent, mantissa int, infinity bool) format {
	f := format{kind: float, exponent: exponent, mantissa: mantissa, infinity: infinity, exact: 2 << mantissa, encode: narrow}
	f.finite = sync.OnceValue(func() []float64 {
		values := make([]float64, f.patterns())
		for p := range values {
			values[p] = f.decode(uint64(p))
		}
		return values
	})
	return f
}

func integer(_ format, x float64) uint64 { return uint64(int64(x)) }

// narrow rounds x to the nearest value of a narrow float, ties to the even bit
// pattern, by searching the patterns themselves: those of the non-negative
// numbers are in the order of their values. x must be within the type's range.
func narrow(f format, x float64) uint64 {
	sign := uint64(0)
	if math.Signbit(x) {
		sign = 1 << (f.exponent + f.mantissa)
		x = -x
	}
	values := f.finite()
	above, found := slices.BinarySearch(values, x)
	if found {
		return sign | uint64(above)
	}
	below := above - 1
	up, down := values[above]-x, x-values[below]
	if down < up || down == up && below%2 == 0 {
		return sign | uint64(below)
	}
	return sign | uint64(above)
}

// patterns is the number of bit patterns of finite, non-negative values.
func (f format) patterns() int {
	if f.infinity {
		return (1<<f.exponent - 1) << f.mantissa
	}
	return 1<<(f.exponent+f.mantissa) - 1 // the last one is NaN
}

// decode is the value of a non-negative finite bit pattern of a narrow float.
func (f format) decode(p uint64) float64 {
	bias := 1<<(f.exponent-1) - 1
	exponent := int(p >> f.mantissa)
	fraction := float64(p & (1<<f.mantissa - 1))
	if exponent == 0 {
		return math.Ldexp(fraction, 1-bias-f.mantissa)
	}
	return math.Ldexp(fraction+math.Ldexp(1, f.mantissa), exponent-bias-f.mantissa)
}
