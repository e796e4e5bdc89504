package kernel

import (
	"math"
	"math/bits"
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

type signed interface{ int8 | int32 | int64 }

type unsigned interface{ uint8 | uint32 | uint64 }

type wide interface{ float32 | float64 }

// operands views raw memory as slices, whose equal lengths let the compiler drop
// the bounds checks.
func operands[T any](out, a, b unsafe.Pointer, n int) (o, x, y []T) {
	return unsafe.Slice((*T)(out), n), unsafe.Slice((*T)(a), n), unsafe.Slice((*T)(b), n)
}

func reduceInt[T signed | unsigned](op dtype.Op, out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[T](out, a, b, n)
	switch op {
	case dtype.Sum, dtype.Avg:
		for i := range o {
			o[i] = x[i] + y[i]
		}
	case dtype.Prod:
		for i := range o {
			o[i] = x[i] * y[i]
		}
	case dtype.Max:
		for i := range o {
			o[i] = max(x[i], y[i])
		}
	case dtype.Min:
		for i := range o {
			o[i] = min(x[i], y[i])
		}
	}
}

func reduceWide[T wide](op dtype.Op, out, a, b unsafe.Pointer, n int, nan T) {
	o, x, y := operands[T](out, a, b, n)
	switch op {
	case dtype.Sum, dtype.Avg:
		for i := range o {
			o[i] = x[i] + y[i]
		}
	case dtype.Prod:
		for i := range o {
			o[i] = x[i] * y[i]
		}
	case dtype.Max:
		for i := range o {
			o[i] = maxWide(x[i], y[i], nan)
		}
	case dtype.Min:
		for i := range o {
			o[i] = minWide(x[i], y[i], nan)
		}
	}
}

// divisor32 divides numbers of up to 32 bits by multiplying: with m = 2^64/d
// rounded up, the upper half of m*v is v/d for every v below 2^32, because m
// exceeds 2^64/d by less than one and v by itself cannot make up the difference
// of 1/d to the next integer (Lemire, Kaser and Kurz, "Faster remainder by direct
// computation", 2019). One itself has no such m.
type divisor32 uint64

func newDivisor32(ranks int) divisor32 { return divisor32(math.MaxUint64/uint64(ranks) + 1) }

func (d divisor32) quotient(v uint32) uint32 {
	q, _ := bits.Mul64(uint64(d), uint64(v))
	return uint32(q)
}

// divideSigned truncates towards zero. The number of ranks need not fit T.
func divideSigned[T signed](p unsafe.Pointer, n, ranks int) {
	s := unsafe.Slice((*T)(p), n)
	if ranks == 1 {
		return
	}
	if unsafe.Sizeof(T(0)) == 8 {
		for i, v := range s {
			s[i] = T(int64(v) / int64(ranks))
		}
		return
	}
	d := newDivisor32(ranks)
	for i, v := range s {
		sign := int32(v) >> 31
		magnitude := uint32((int32(v) ^ sign) - sign)
		s[i] = T((int32(d.quotient(magnitude)) ^ sign) - sign)
	}
}

func divideUnsigned[T unsigned](p unsafe.Pointer, n, ranks int) {
	s := unsafe.Slice((*T)(p), n)
	if ranks == 1 {
		return
	}
	if unsafe.Sizeof(T(0)) == 8 {
		for i, v := range s {
			s[i] = T(uint64(v) / uint64(ranks))
		}
		return
	}
	d := newDivisor32(ranks)
	for i, v := range s {
		s[i] = T(d.quotient(uint32(v)))
	}
}

func divideFloat[T wide](p unsafe.Pointer, n, ranks int) {
	s := unsafe.Slice((*T)(p), n)
	for i, v := range s {
		s[i] = v / T(ranks)
	}
}
