package kernel

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

// reduceScalar is the reference: plain Go for every operator and element type.
// Like the vector tiers it branches rather than call through a table, because
// pointers passed to a function from a table escape to the heap.
func reduceScalar(op dtype.Op, dt dtype.DType, out, a, b unsafe.Pointer, n int) {
	switch dt {
	case dtype.Int8:
		reduceInt[int8](op, out, a, b, n)
	case dtype.Uint8:
		reduceInt[uint8](op, out, a, b, n)
	case dtype.Int32:
		reduceInt[int32](op, out, a, b, n)
	case dtype.Uint32:
		reduceInt[uint32](op, out, a, b, n)
	case dtype.Int64:
		reduceInt[int64](op, out, a, b, n)
	case dtype.Uint64:
		reduceInt[uint64](op, out, a, b, n)
	case dtype.Float16:
		reduceF16(op, out, a, b, n)
	case dtype.Float32:
		reduceWide(op, out, a, b, n, nan32)
	case dtype.Float64:
		reduceWide(op, out, a, b, n, nan64)
	case dtype.BFloat16:
		reduceBF16(op, out, a, b, n)
	case dtype.Float8E4M3:
		reduceE4M3(op, out, a, b, n)
	case dtype.Float8E5M2:
		reduceE5M2(op, out, a, b, n)
	}
}

// finishScalar is the reference of ReduceFinish.
func finishScalar(op dtype.Op, dt dtype.DType, out1, out2, a, b unsafe.Pointer, n, ranks int) {
	for i := 0; i < n; i += finishBlock {
		count, at := min(finishBlock, n-i), i*dt.Size()
		out, x, y := unsafe.Add(out1, at), unsafe.Add(a, at), unsafe.Add(b, at)
		switch {
		case op != dtype.Avg:
			reduceScalar(op, dt, out, x, y, count)
		case !averageNarrow(dt, out, x, y, count, ranks):
			reduceScalar(dtype.Sum, dt, out, x, y, count)
			divideScalar(dt, out, count, ranks)
		}
		if out2 != nil {
			Copy(unsafe.Add(out2, at), out, count*dt.Size())
		}
	}
}

// divideScalar divides sums of a type that needs no rounding before the division.
func divideScalar(dt dtype.DType, p unsafe.Pointer, n, ranks int) {
	switch dt {
	case dtype.Int8:
		divideSigned[int8](p, n, ranks)
	case dtype.Uint8:
		divideUnsigned[uint8](p, n, ranks)
	case dtype.Int32:
		divideSigned[int32](p, n, ranks)
	case dtype.Uint32:
		divideUnsigned[uint32](p, n, ranks)
	case dtype.Int64:
		divideSigned[int64](p, n, ranks)
	case dtype.Uint64:
		divideUnsigned[uint64](p, n, ranks)
	case dtype.Float32:
		divideFloat[float32](p, n, ranks)
	case dtype.Float64:
		divideFloat[float64](p, n, ranks)
	}
}

// averageNarrow averages floats that are rounded only after the division. It
// reports false for other types.
func averageNarrow(dt dtype.DType, out, a, b unsafe.Pointer, n, ranks int) bool {
	switch dt {
	case dtype.Float16:
		avgF16(out, a, b, n, ranks)
	case dtype.BFloat16:
		avgBF16(out, a, b, n, ranks)
	case dtype.Float8E4M3:
		avgE4M3(out, a, b, n, ranks)
	case dtype.Float8E5M2:
		avgE5M2(out, a, b, n, ranks)
	default:
		return false
	}
	return true
}
