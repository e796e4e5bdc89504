package kernel

import "unsafe"

type signed interface{ int8 | int32 | int64 }

type unsigned interface{ uint8 | uint32 | uint64 }

type wide interface{ float32 | float64 }

// operands views raw memory as slices, whose equal lengths let the compiler drop
// the bounds checks.
func operands[T any](out, a, b unsafe.Pointer, n int) (o, x, y []T) {
	return unsafe.Slice((*T)(out), n), unsafe.Slice((*T)(a), n), unsafe.Slice((*T)(b), n)
}

func sum[T signed | unsigned | wide](out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[T](out, a, b, n)
	for i := range o {
		o[i] = x[i] + y[i]
	}
}

func prod[T signed | unsigned | wide](out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[T](out, a, b, n)
	for i := range o {
		o[i] = x[i] * y[i]
	}
}

func maxInt[T signed | unsigned](out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[T](out, a, b, n)
	for i := range o {
		o[i] = max(x[i], y[i])
	}
}

func minInt[T signed | unsigned](out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[T](out, a, b, n)
	for i := range o {
		o[i] = min(x[i], y[i])
	}
}

// avgSigned divides in int64: the number of ranks need not fit T.
func avgSigned[T signed](out, a, b unsafe.Pointer, n int, ranks int) {
	o, x, y := operands[T](out, a, b, n)
	for i := range o {
		o[i] = T(int64(x[i]+y[i]) / int64(ranks))
	}
}

func avgUnsigned[T unsigned](out, a, b unsafe.Pointer, n int, ranks int) {
	o, x, y := operands[T](out, a, b, n)
	for i := range o {
		o[i] = T(uint64(x[i]+y[i]) / uint64(ranks))
	}
}

func avgFloat[T wide](out, a, b unsafe.Pointer, n int, ranks int) {
	o, x, y := operands[T](out, a, b, n)
	for i := range o {
		o[i] = (x[i] + y[i]) / T(ranks)
	}
}
