//go:build !noasm

package kernel

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"

	"github.com/monel-dev/monel/strided/dtype"
)

//go:generate go run -C ../../_gen . -dir ../internal/kernel

func vectorTiers() []Tier {
	var tiers []Tier
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.F16C, cpuid.BMI2) {
		tiers = append(tiers, AVX2)
	}
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.F16C, cpuid.BMI2, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL) {
		tiers = append(tiers, AVX512)
	}
	return tiers
}

// key numbers the pairs of operator and element type.
func key(op dtype.Op, dt dtype.DType) int { return int(op)*numDTypes + int(dt) }

// beyondCache is the size of operands that come from main memory. There, the
// narrower loads and stores of AVX2 make better use of the prefetchers, unless
// the arithmetic takes longer than the memory.
const beyondCache = 16 << 20

// isNarrow reports whether elements are widened for arithmetic.
func isNarrow(dt dtype.DType) bool {
	switch dt {
	case dtype.Float16, dtype.BFloat16, dtype.Float8E4M3, dtype.Float8E5M2:
		return true
	}
	return false
}

func reduceVector(op dtype.Op, dt dtype.DType, out1, out2, a, b unsafe.Pointer, n int) {
	if active == AVX512 && (n*dt.Size() < beyondCache || isNarrow(dt)) {
		reduceAVX512(op, dt, (*byte)(out1), (*byte)(out2), (*byte)(a), (*byte)(b), n)
		return
	}
	reduceAVX2(op, dt, (*byte)(out1), (*byte)(out2), (*byte)(a), (*byte)(b), n)
}

func averageVector(dt dtype.DType, out1, out2, a, b unsafe.Pointer, n, ranks int) bool {
	if active == AVX512 {
		return averageAVX512(dt, (*byte)(out1), (*byte)(out2), (*byte)(a), (*byte)(b), n, ranks)
	}
	return averageAVX2(dt, (*byte)(out1), (*byte)(out2), (*byte)(a), (*byte)(b), n, ranks)
}
