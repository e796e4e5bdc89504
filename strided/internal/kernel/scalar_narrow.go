package kernel

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

// The narrow floats are written out type by type: a generic loop would call the
// conversions through a dictionary, because F16 and BF16, E4M3 and E5M2 share an
// underlying type.

func reduceF16(op dtype.Op, out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.F16](out, a, b, n)
	switch op {
	case dtype.Sum, dtype.Avg:
		for i := range o {
			o[i] = dtype.F16FromFloat32(x[i].Float32() + y[i].Float32())
		}
	case dtype.Prod:
		for i := range o {
			o[i] = dtype.F16FromFloat32(x[i].Float32() * y[i].Float32())
		}
	default:
		selectNarrow(op, f16Bits, out, a, b, n)
	}
}

func avgF16(out, a, b unsafe.Pointer, n, ranks int) {
	o, x, y := operands[dtype.F16](out, a, b, n)
	for i := range o {
		o[i] = dtype.F16FromFloat32((x[i].Float32() + y[i].Float32()) / float32(ranks))
	}
}

func reduceBF16(op dtype.Op, out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.BF16](out, a, b, n)
	switch op {
	case dtype.Sum, dtype.Avg:
		for i := range o {
			o[i] = dtype.BF16FromFloat32(x[i].Float32() + y[i].Float32())
		}
	case dtype.Prod:
		for i := range o {
			o[i] = dtype.BF16FromFloat32(x[i].Float32() * y[i].Float32())
		}
	default:
		selectNarrow(op, bf16Bits, out, a, b, n)
	}
}

func avgBF16(out, a, b unsafe.Pointer, n, ranks int) {
	o, x, y := operands[dtype.BF16](out, a, b, n)
	for i := range o {
		o[i] = dtype.BF16FromFloat32((x[i].Float32() + y[i].Float32()) / float32(ranks))
	}
}

func reduceE4M3(op dtype.Op, out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.E4M3](out, a, b, n)
	switch op {
	case dtype.Sum, dtype.Avg:
		for i := range o {
			o[i] = dtype.E4M3FromFloat32(x[i].Float32() + y[i].Float32())
		}
	case dtype.Prod:
		for i := range o {
			o[i] = dtype.E4M3FromFloat32(x[i].Float32() * y[i].Float32())
		}
	default:
		selectNarrow(op, e4m3Bits, out, a, b, n)
	}
}

func avgE4M3(out, a, b unsafe.Pointer, n, ranks int) {
	o, x, y := operands[dtype.E4M3](out, a, b, n)
	for i := range o {
		o[i] = dtype.E4M3FromFloat32((x[i].Float32() + y[i].Float32()) / float32(ranks))
	}
}

func reduceE5M2(op dtype.Op, out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.E5M2](out, a, b, n)
	switch op {
	case dtype.Sum, dtype.Avg:
		for i := range o {
			o[i] = dtype.E5M2FromFloat32(x[i].Float32() + y[i].Float32())
		}
	case dtype.Prod:
		for i := range o {
			o[i] = dtype.E5M2FromFloat32(x[i].Float32() * y[i].Float32())
		}
	default:
		selectNarrow(op, e5m2Bits, out, a, b, n)
	}
}

func avgE5M2(out, a, b unsafe.Pointer, n, ranks int) {
	o, x, y := operands[dtype.E5M2](out, a, b, n)
	for i := range o {
		o[i] = dtype.E5M2FromFloat32((x[i].Float32() + y[i].Float32()) / float32(ranks))
	}
}
