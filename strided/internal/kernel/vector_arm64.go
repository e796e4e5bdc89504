//go:build !noasm

package kernel

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

// Every arm64 processor has NEON.
func vectorTiers() []Tier { return []Tier{NEON} }

// reduceVector uses a kernel where there is one, and plain Go elsewhere.
func reduceVector(op dtype.Op, dt dtype.DType, out1, out2, a, b unsafe.Pointer, n int) {
	for i := 0; i < n; i += finishBlock {
		count, at := min(finishBlock, n-i), i*dt.Size()
		out, x, y := unsafe.Add(out1, at), unsafe.Add(a, at), unsafe.Add(b, at)
		if !reduceNEON(op, dt, out, x, y, count*dt.Size()) {
			reduceScalar(op, dt, out, x, y, count)
		}
		if out2 != nil {
			Copy(unsafe.Add(out2, at), out, count*dt.Size())
		}
	}
}

// averageVector leaves to vector sums and divisions whatever needs no rounding in
// between.
func averageVector(dt dtype.DType, out1, out2, a, b unsafe.Pointer, n, ranks int) bool {
	switch dt {
	case dtype.Float16, dtype.BFloat16, dtype.Float8E4M3, dtype.Float8E5M2:
		finishScalar(dtype.Avg, dt, out1, out2, a, b, n, ranks)
		return true
	}
	return false
}

// neonBlock is what one turn of a kernel takes of each operand.
const neonBlock = 64

// reduceNEON reports false if there is no kernel. A partial block goes through
// the stack.
func reduceNEON(op dtype.Op, dt dtype.DType, out, a, b unsafe.Pointer, bytes int) bool {
	whole, rest := bytes/neonBlock, bytes%neonBlock
	if !neonBlocks(op, dt, (*byte)(out), (*byte)(a), (*byte)(b), whole) {
		return false
	}
	if rest > 0 {
		at := whole * neonBlock
		var x, y [neonBlock]byte
		copy(x[:rest], unsafe.Slice((*byte)(unsafe.Add(a, at)), rest))
		copy(y[:rest], unsafe.Slice((*byte)(unsafe.Add(b, at)), rest))
		neonBlocks(op, dt, &x[0], &x[0], &y[0], 1)
		copy(unsafe.Slice((*byte)(unsafe.Add(out, at)), rest), x[:rest])
	}
	return true
}

func neonBlocks(op dtype.Op, dt dtype.DType, out, a, b *byte, blocks int) bool {
	switch {
	case op == dtype.Sum || op == dtype.Avg:
		switch dt {
		case dtype.Int8, dtype.Uint8:
			neonSumInt8(out, a, b, blocks)
		case dtype.Int32, dtype.Uint32:
			neonSumInt32(out, a, b, blocks)
		case dtype.Int64, dtype.Uint64:
			neonSumInt64(out, a, b, blocks)
		case dtype.Float16:
			neonSumFloat16(out, a, b, blocks)
		case dtype.Float32:
			neonSumFloat32(out, a, b, blocks)
		case dtype.Float64:
			neonSumFloat64(out, a, b, blocks)
		case dtype.BFloat16:
			neonSumBFloat16(out, a, b, blocks)
		default:
			return false
		}
	case op == dtype.Prod:
		switch dt {
		case dtype.Float16:
			neonProdFloat16(out, a, b, blocks)
		case dtype.Float32:
			neonProdFloat32(out, a, b, blocks)
		case dtype.Float64:
			neonProdFloat64(out, a, b, blocks)
		case dtype.BFloat16:
			neonProdBFloat16(out, a, b, blocks)
		default:
			return false
		}
	default:
		return false
	}
	return true
}
