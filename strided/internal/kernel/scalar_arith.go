package kernel

import (
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

// divideSigned divides in int64: the number of ranks need not fit T.
func divideSigned[T signed](p unsafe.Pointer, n, ranks int) {
	s := unsafe.Slice((*T)(p), n)
	for i, v := range s {
		s[i] = T(int64(v) / int64(ranks))
	}
}

func divideUnsigned[T unsigned](p unsafe.Pointer, n, ranks int) {
	s := unsafe.Slice((*T)(p), n)
	for i, v := range s {
		s[i] = T(uint64(v) / uint64(ranks))
	}
}

func divideFloat[T wide](p unsafe.Pointer, n, ranks int) {
	s := unsafe.Slice((*T)(p), n)
	for i, v := range s {
		s[i] = v / T(ranks)
	}
}
