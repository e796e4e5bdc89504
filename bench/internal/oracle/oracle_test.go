package oracle

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided/dtype"
)

func TestNarrowFormatsHaveTheirKnownValues(t *testing.T) {
	for _, tc := range []struct {
		dt    dtype.DType
		value float64
		bits  uint64
	}{
		{dtype.Float16, 1, 0x3c00},
		{dtype.Float16, -2, 0xc000},
		{dtype.Float16, 65504, 0x7bff},
		{dtype.Float16, math.Ldexp(1, -24), 0x0001},
		{dtype.Float16, 1.0 / 3, 0x3555},
		{dtype.BFloat16, 1, 0x3f80},
		{dtype.BFloat16, -1.5, 0xbfc0},
		{dtype.BFloat16, 1.0 / 3, 0x3eab},
		{dtype.Float8E4M3, 1, 0x38},
		{dtype.Float8E4M3, 448, 0x7e},
		{dtype.Float8E4M3, math.Ldexp(1, -9), 0x01},
		{dtype.Float8E5M2, 1, 0x3c},
		{dtype.Float8E5M2, 57344, 0x7b},
		{dtype.Float8E5M2, math.Ldexp(1, -16), 0x01},
		{dtype.Float8E5M2, 0, 0x00},
		{dtype.Float8E5M2, math.Copysign(0, -1), 0x80},
		// Ties go to the even pattern.
		{dtype.Float8E4M3, 17, 0x58},  // between 16 and 18
		{dtype.Float8E4M3, 19, 0x5a},  // between 18 and 20
		{dtype.BFloat16, 257, 0x4380}, // between 256 and 258
		{dtype.BFloat16, 259, 0x4382}, // between 258 and 260
	} {
		f := formats[tc.dt]
		require.Equal(t, tc.bits, f.encode(f, tc.value), "%v of %v", tc.dt, tc.value)
	}
}

func TestNarrowRoundTrip(t *testing.T) {
	for _, dt := range dtype.All() {
		f := formats[dt]
		if f.mantissa == 0 {
			continue
		}
		for p := range f.patterns() {
			x := f.decode(uint64(p))
			negative := uint64(p) | 1<<(f.exponent+f.mantissa)
			if f.encode(f, x) != uint64(p) || f.encode(f, math.Copysign(x, -1)) != negative {
				t.Fatalf("%v: pattern %#x, value %v, does not come back", dt, p, x)
			}
		}
	}
}

func TestEveryTypeHasAFormat(t *testing.T) {
	for _, dt := range dtype.All() {
		require.Contains(t, formats, dt)
	}
}

// The claim on which bit-for-bit comparison stands: whatever the order and the
// grouping of the ranks, every partial result is a number of the type.
func TestPartialResultsAreExactInAnyOrder(t *testing.T) {
	for _, dt := range dtype.All() {
		for _, op := range Ops() {
			for _, ranks := range []int{1, 2, 3, 4, 5, 8, 17, 64, 300} {
				t.Run(fmt.Sprint(dt, "/", op, "/", ranks), func(t *testing.T) {
					f := formats[dt]
					r := rand.New(rand.NewPCG(uint64(ranks), 1))
					for range 40 {
						checkOrder(t, f, dt, op, weighted(op, values(f, op, ranks, r)), r)
					}
				})
			}
		}
	}
}

func checkOrder(t *testing.T, f format, dt dtype.DType, op dtype.Op, v []float64, r *rand.Rand) {
	t.Helper()
	partial := op
	if op == dtype.Avg {
		partial = dtype.Sum
	}
	want := reduce(f, dt, partial, v)
	// A random binary tree over a random order: merge two neighbours at a time.
	parts := make([]float64, len(v))
	for i, from := range r.Perm(len(v)) {
		parts[i] = v[from]
	}
	for _, p := range parts {
		requireRepresentable(t, f, dt, p)
	}
	for len(parts) > 1 {
		at := r.IntN(len(parts) - 1)
		parts[at] = reduce(f, dt, partial, parts[at:at+2])
		requireRepresentable(t, f, dt, parts[at])
		parts = append(parts[:at+1], parts[at+2:]...)
	}
	require.Equal(t, want, parts[0])
}

func requireRepresentable(t *testing.T, f format, dt dtype.DType, x float64) {
	t.Helper()
	if back := decodeAny(f, dt, f.encode(f, x)); back != x || x == 0 && math.Signbit(x) {
		t.Fatalf("%v cannot be a %v: it would be %v", x, dt, back)
	}
}

// decodeAny is the value of a bit pattern of any type.
func decodeAny(f format, dt dtype.DType, bits uint64) float64 {
	shift := 64 - 8*dt.Size()
	switch {
	case f.kind == signed:
		return float64(int64(bits) << shift >> shift)
	case f.kind == unsigned:
		return float64(bits << shift >> shift)
	case dt == dtype.Float32:
		return float64(math.Float32frombits(uint32(bits)))
	case dt == dtype.Float64:
		return math.Float64frombits(bits)
	}
	sign := uint64(1) << (f.exponent + f.mantissa)
	if bits&sign != 0 {
		return -f.finite()[bits&^sign]
	}
	return f.finite()[bits]
}

// The average's division against arbitrary precision: the nearest float32 to
// the rational number.
func TestAverageRoundsOnceInFloat32(t *testing.T) {
	f := formats[dtype.Float32]
	r := rand.New(rand.NewPCG(3, 4))
	for _, ranks := range []int{2, 3, 5, 7, 11} {
		for range 100 {
			v := values(f, dtype.Avg, ranks, r)
			sum := reduce(f, dtype.Float32, dtype.Sum, v)
			want, _ := new(big.Rat).SetFrac64(int64(sum), int64(ranks)).Float32()
			require.Equal(t, float64(want), reduce(f, dtype.Float32, dtype.Avg, v))
		}
	}
	require.Equal(t, -1.0, reduce(formats[dtype.Int8], dtype.Int8, dtype.Avg, []float64{-2, -1}))
	require.Equal(t, 127.0, reduce(formats[dtype.Uint8], dtype.Uint8, dtype.Avg, []float64{128, 127}))
}

func TestTablesAgreeBetweenRanksAndDependOnTheSeed(t *testing.T) {
	const ranks = 4
	var inputs [ranks]*Table
	var results [ranks]*Table
	for rank := range ranks {
		inputs[rank], results[rank] = Reduction(dtype.Sum, dtype.Int32, ranks, rank, 7)
		require.Equal(t, results[0], results[rank])
	}
	for class := range Classes {
		sum := int32(0)
		for rank := range ranks {
			sum += int32(inputs[rank][class])
		}
		require.Equal(t, sum, int32(results[0][class]))
	}
	require.NotEqual(t, inputs[0], inputs[1])
	other, _ := Reduction(dtype.Sum, dtype.Int32, ranks, 0, 8)
	require.NotEqual(t, inputs[0], other)
	require.Equal(t, Copy(1, 7), Copy(1, 7))
	require.NotEqual(t, Copy(1, 7), Copy(2, 7))
}

// TestMulSum: the result is the sum of what each rank has times its factor.
func TestMulSum(t *testing.T) {
	require.Equal(t, "mulsum", OpName(MulSum))
	require.Equal(t, "avg", OpName(dtype.Avg))
	const ranks = 3
	var want [Classes]float64
	for rank, factor := range []float64{1, 2, 1} {
		input, result := Reduction(MulSum, dtype.Float64, ranks, rank, 5)
		for class := range want {
			want[class] += factor * math.Float64frombits(input[class])
			if rank == ranks-1 {
				require.Equal(t, want[class], math.Float64frombits(result[class]))
			}
		}
		require.Equal(t, uint64(factor), FactorBits(dtype.Uint8, rank))
	}
}

func TestSteadyTensorsStay(t *testing.T) {
	for _, dt := range dtype.All() {
		for _, op := range Ops() {
			f := formats[dt]
			table := Steady(op, dt, 3, 1, 9)
			switch op {
			case dtype.Sum, MulSum:
				require.Zero(t, table[5])
			case dtype.Prod:
				require.Equal(t, f.encode(f, 1), table[5])
			default:
				input, _ := Reduction(op, dt, 3, 1, 9)
				require.Equal(t, input, table)
			}
		}
	}
}

func TestClassesAreSpread(t *testing.T) {
	var seen [Classes]int
	const n = Classes * 256
	for i := range n {
		seen[Class(1, int64(i))]++
	}
	for class, count := range seen {
		require.InDelta(t, 256, count, 120, "class %d", class)
	}
	require.NotEqual(t, Class(1, 0), Class(2, 0))
}

func BenchmarkClass(b *testing.B) {
	sum := 0
	for i := range b.N {
		sum += Class(1, int64(i))
	}
	_ = sum
}
