// Package kernel holds the loops that touch tensor elements: reductions, copies,
// gathers, scatters and blocked transposes.
//
// Its functions take raw pointers and counts and check neither: the caller has
// bounded every access. No function allocates, keeps a pointer or needs
// alignment beyond what Go asks of the memory itself. Operands either coincide
// exactly, where the function says so, or do not overlap.
//
// # Arithmetic
//
// Integers wrap. The 16-bit and 8-bit floats are widened to float32, the
// operation is done there, and the result is rounded once to nearest even as
// dtype.F16FromFloat32 and its siblings do it: float16 and bfloat16 overflow to
// infinity, the 8-bit floats saturate. A NaN sum or product of those types is
// the type's canonical quiet NaN; of float32 and float64 it is some quiet NaN.
//
// Max and Min select one operand, bit for bit, by NCCL's rule: a NaN loses to a
// number, two NaNs give the canonical quiet NaN, and -0 is less than +0. An
// infinite 8-bit float is a number like any other here.
//
// Avg adds like Sum. ReduceFinish then divides by the number of ranks: integers
// by Go's truncated division of the wrapped sum; float32 and float64 by one
// division of the rounded sum; the narrow floats in float32, between widening
// and the one rounding.
package kernel

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

const (
	numOps    = int(dtype.Avg) + 1
	numDTypes = int(dtype.Float8E5M2) + 1
)

type (
	reduceFunc func(out, a, b unsafe.Pointer, n int)
	finishFunc func(out, a, b unsafe.Pointer, n int, ranks int)
)

// Reduce stores out[i] = a[i] op b[i] for n elements. out may equal a or b. Avg
// acts as Sum.
func Reduce(op dtype.Op, dt dtype.DType, out, a, b unsafe.Pointer, n int) {
	reduceScalar[op][dt](out, a, b, n)
}

// ReduceFinish stores out1[i] = out2[i] = a[i] op b[i] for n elements, divided
// by ranks when op is Avg. out2 may be nil; either output may equal a or b.
func ReduceFinish(op dtype.Op, dt dtype.DType, out1, out2, a, b unsafe.Pointer, n int, ranks int) {
	es := dt.Size()
	for lo := 0; lo < n; lo += finishBlock {
		block := min(finishBlock, n-lo)
		o1, pa, pb := unsafe.Add(out1, lo*es), unsafe.Add(a, lo*es), unsafe.Add(b, lo*es)
		if op == dtype.Avg {
			avgScalar[dt](o1, pa, pb, block, ranks)
		} else {
			reduceScalar[op][dt](o1, pa, pb, block)
		}
		if out2 != nil {
			Copy(unsafe.Add(out2, lo*es), o1, block*es)
		}
	}
}

// finishBlock is how many elements ReduceFinish works out before it copies them
// to the second output: few enough to be still in the first-level cache.
const finishBlock = 1024
