//go:build noasm || (!amd64 && !arm64)

package kernel

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

func vectorTiers() []Tier { return nil }

// Without vector tiers these are never called.

func reduceVector(op dtype.Op, dt dtype.DType, out1, out2, a, b unsafe.Pointer, n int) {
	finishScalar(op, dt, out1, out2, a, b, n, 1)
}

func averageVector(dtype.DType, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, int, int) bool {
	return false
}
