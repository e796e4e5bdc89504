package kernel

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

// The narrow floats are written out type by type: a generic loop would call the
// conversions through a dictionary, because F16 and BF16, E4M3 and E5M2 share an
// underlying type.

func sumF16(out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.F16](out, a, b, n)
	for i := range o {
		o[i] = dtype.F16FromFloat32(x[i].Float32() + y[i].Float32())
	}
}

func prodF16(out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.F16](out, a, b, n)
	for i := range o {
		o[i] = dtype.F16FromFloat32(x[i].Float32() * y[i].Float32())
	}
}

func avgF16(out, a, b unsafe.Pointer, n int, ranks int) {
	o, x, y := operands[dtype.F16](out, a, b, n)
	for i := range o {
		o[i] = dtype.F16FromFloat32((x[i].Float32() + y[i].Float32()) / float32(ranks))
	}
}

func sumBF16(out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.BF16](out, a, b, n)
	for i := range o {
		o[i] = dtype.BF16FromFloat32(x[i].Float32() + y[i].Float32())
	}
}

func prodBF16(out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.BF16](out, a, b, n)
	for i := range o {
		o[i] = dtype.BF16FromFloat32(x[i].Float32() * y[i].Float32())
	}
}

func avgBF16(out, a, b unsafe.Pointer, n int, ranks int) {
	o, x, y := operands[dtype.BF16](out, a, b, n)
	for i := range o {
		o[i] = dtype.BF16FromFloat32((x[i].Float32() + y[i].Float32()) / float32(ranks))
	}
}

func sumE4M3(out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.E4M3](out, a, b, n)
	for i := range o {
		o[i] = dtype.E4M3FromFloat32(x[i].Float32() + y[i].Float32())
	}
}

func prodE4M3(out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.E4M3](out, a, b, n)
	for i := range o {
		o[i] = dtype.E4M3FromFloat32(x[i].Float32() * y[i].Float32())
	}
}

func avgE4M3(out, a, b unsafe.Pointer, n int, ranks int) {
	o, x, y := operands[dtype.E4M3](out, a, b, n)
	for i := range o {
		o[i] = dtype.E4M3FromFloat32((x[i].Float32() + y[i].Float32()) / float32(ranks))
	}
}

func sumE5M2(out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.E5M2](out, a, b, n)
	for i := range o {
		o[i] = dtype.E5M2FromFloat32(x[i].Float32() + y[i].Float32())
	}
}

func prodE5M2(out, a, b unsafe.Pointer, n int) {
	o, x, y := operands[dtype.E5M2](out, a, b, n)
	for i := range o {
		o[i] = dtype.E5M2FromFloat32(x[i].Float32() * y[i].Float32())
	}
}

func avgE5M2(out, a, b unsafe.Pointer, n int, ranks int) {
	o, x, y := operands[dtype.E5M2](out, a, b, n)
	for i := range o {
		o[i] = dtype.E5M2FromFloat32((x[i].Float32() + y[i].Float32()) / float32(ranks))
	}
}
