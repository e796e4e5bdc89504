package kernels

import "math/bits"

// The structs of job.h, field by field.

// arithmetic is what to compute, and what dividing by a number of ranks takes.
type arithmetic struct {
	kind, op       uint32
	ranks          int32
	shift, magic32 uint32
	unused         uint32
	magic64        uint64
	inverse        float64
}

// run is a job whose operands all lie in one piece.
type run struct {
	out, out2, in, src uint64
	count              uint32
	skew               uint32
	units              uint32
	unused             uint32
	arithmetic         arithmetic
}

// dim is a dimension, innermost first in a job, or the steps from tile to tile.
type dim struct {
	size, magic, shift uint32
	step               int32
	a, b               int64
}

const maxDims = MaxDims + 1

// job is a job on strided views and slots.
type job struct {
	a, b    uint64
	in, out uint64
	lo, hi  int32
	flags   uint32
	dims    uint32
	first   int32
	count   uint32

	arithmetic arithmetic

	rows, columns       int32
	rowSkew, columnSkew int32
	logRows, logColumns uint32
	rowDim              uint32
	rowStep             int32
	rowA, rowB          int64
	columnA, columnB    int64
	steps               [6]uint32
	unused              [2]uint32
	dim                 [maxDims]dim
}

// Flags of jobs.
const (
	readsA = 1 << iota
	writesB
	readsIn
	writesOut
	reduces
	inWide
	outWide
	wholeUnits
)

// Flags of steps.
const (
	step = 1 << iota
	stepStore
	stepCombine
	stepSlot
	stepBuffer1
	stepDown
	stepWide
	stepWords
	stepBarrier
)

// reciprocal is how to divide numbers below 2^31 by n < 2^31 without dividing:
// with m = ceil(2^(32+s)/n) - 2^32 and s = ceil(log2 n), the quotient of v is
// (m*v>>32 + v) >> s.
func reciprocal(n uint32) (magic, shift uint32) {
	s := bits.Len32(n - 1)
	m := ((uint64(1)<<s-uint64(n))<<32 + uint64(n) - 1) / uint64(n)
	return uint32(m), uint32(s)
}

// reciprocal64 is the same for 64-bit numbers: the quotient of v is
// (m*v>>64 + v) >> (s+1), where the sum has 65 bits. n is at least 2.
func reciprocal64(n uint64) (magic uint64, shift uint32) {
	s := bits.Len64(n - 1)
	magic, _ = bits.Div64(uint64(1)<<s-n, n-1, n)
	return magic, uint32(s - 1)
}
