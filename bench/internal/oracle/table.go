package oracle

import (
	"math/rand/v2"

	"github.com/monel-dev/monel/strided/dtype"
)

// Table holds one bit pattern for each class, in the low bits. Element i of
// the tensor it describes is Table[Class(seed, i)].
type Table [Classes]uint64

// Reduction returns rank's input and the result, the same on all ranks, of
// reducing ranks tensors. The same arguments give the same tables everywhere.
func Reduction(op dtype.Op, dt dtype.DType, ranks, rank int, seed uint64) (input, result *Table) {
	f := formats[dt]
	input, result = new(Table), new(Table)
	source := rand.NewPCG(0, 0)
	random := rand.New(source)
	for class := range Classes {
		source.Seed(seed, uint64(class))
		v := values(f, op, ranks, random)
		input[class] = f.encode(f, v[rank])
		result[class] = f.encode(f, reduce(f, dt, op, weighted(op, v)))
	}
	return input, result
}

// Copy returns the tensor that rank has before a copying collective: any bits,
// NaNs and infinities of float types included, different on each rank.
func Copy(rank int, seed uint64) *Table {
	t := new(Table)
	r := rand.New(rand.NewPCG(seed, uint64(rank)))
	for class := range t {
		t[class] = r.Uint64()
	}
	return t
}

// Steady returns a tensor that stays as it is, or nearly, however often it is
// reduced in place with op over ranks: one neither overflows nor decays into
// subnormal numbers, which some processors compute more slowly. It is for
// timing.
func Steady(op dtype.Op, dt dtype.DType, ranks, rank int, seed uint64) *Table {
	f := formats[dt]
	switch op {
	case dtype.Sum, MulSum:
		return constant(f.encode(f, 0))
	case dtype.Prod:
		return constant(f.encode(f, 1))
	default:
		input, _ := Reduction(op, dt, ranks, rank, seed)
		return input
	}
}

func constant(bits uint64) *Table {
	t := new(Table)
	for class := range t {
		t[class] = bits
	}
	return t
}
