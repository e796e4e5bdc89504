package oracle

import "github.com/monel-dev/monel/strided/dtype"

// MulSum stands for nccl-tests' mulsum: a sum of elements that each rank multiplies by its
// Factor first. It is none of dtype's operators; a communicator makes one of the factor.
const MulSum dtype.Op = 0x7f

// Ops lists the operators of collectives, MulSum the last of them.
func Ops() []dtype.Op { return append(dtype.Ops(), MulSum) }

// OpName is an operator's name as nccl-tests has it.
func OpName(op dtype.Op) string {
	if op == MulSum {
		return "mulsum"
	}
	return op.String()
}

// Factor is what a rank multiplies by: 1, or 2 on odd ranks, as in nccl-tests.
func Factor(rank int) int { return 1 + rank%2 }

// FactorBits is Factor in a type.
func FactorBits(dt dtype.DType, rank int) uint64 {
	f := formats[dt]
	return f.encode(f, float64(Factor(rank)))
}

// weighted is what the ranks' values add up as.
func weighted(op dtype.Op, v []float64) []float64 {
	if op != MulSum {
		return v
	}
	products := make([]float64, len(v))
	for rank, x := range v {
		products[rank] = x * float64(Factor(rank))
	}
	return products
}
