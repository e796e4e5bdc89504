// Package kernel holds the loops that touch tensor elements: reductions, copies,
// gathers, scatters and blocked transposes.
//
// Its functions take raw pointers and counts and check neither: the caller has
// bounded every access. No function allocates, keeps a pointer or needs
// alignment. Operands either coincide exactly, where the function says so, or do
// not overlap.
//
// Each processor has several tiers of kernels, from plain Go up; see Tier. All
// tiers give the same bits.
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

// Reduce stores out[i] = a[i] op b[i] for n elements. out may equal a or b. Avg
// acts as Sum.
func Reduce(op dtype.Op, dt dtype.DType, out, a, b unsafe.Pointer, n int) {
	if active == Scalar {
		reduceScalar(op, dt, out, a, b, n)
		return
	}
	raceOperands(out, nil, a, b, n*dt.Size())
	reduceVector(op, dt, out, nil, a, b, n)
}

// ReduceFinish stores out1[i] = out2[i] = a[i] op b[i] for n elements, divided
// by ranks when op is Avg. out2 may be nil; either output may equal a or b.
func ReduceFinish(op dtype.Op, dt dtype.DType, out1, out2, a, b unsafe.Pointer, n int, ranks int) {
	if active == Scalar {
		finishScalar(op, dt, out1, out2, a, b, n, ranks)
		return
	}
	raceOperands(out1, out2, a, b, n*dt.Size())
	switch {
	case op != dtype.Avg:
		reduceVector(op, dt, out1, out2, a, b, n)
	case !averageVector(dt, out1, out2, a, b, n, ranks):
		averageBlocks(dt, out1, out2, a, b, n, ranks)
	}
}

// raceOperands tells the race detector what assembly is about to touch.
func raceOperands(out1, out2, a, b unsafe.Pointer, bytes int) {
	raceRead(a, bytes)
	raceRead(b, bytes)
	raceWrite(out1, bytes)
	if out2 != nil {
		raceWrite(out2, bytes)
	}
}

// finishBlock is how many elements are summed before they are divided and copied
// to a second output: few enough to be still in the first-level cache.
const finishBlock = 1024

// averageBlocks averages integers with the vector sum.
func averageBlocks(dt dtype.DType, out1, out2, a, b unsafe.Pointer, n, ranks int) {
	for i := 0; i < n; i += finishBlock {
		count, at := min(finishBlock, n-i), i*dt.Size()
		out := unsafe.Add(out1, at)
		reduceVector(dtype.Sum, dt, out, nil, unsafe.Add(a, at), unsafe.Add(b, at), count)
		divideScalar(dt, out, count, ranks)
		if out2 != nil {
			Copy(unsafe.Add(out2, at), out, count*dt.Size())
		}
	}
}
