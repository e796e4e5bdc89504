package kernels

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// small is shapes with tensors of some KiB.
func small() []Shape {
	order := func(shape []int64, order ...int) func(int64) layouts.Spec {
		return func(int64) layouts.Spec { return layouts.InOrder(shape, order) }
	}
	return []Shape{
		{"contiguous", true, false, order([]int64{4000}, 0)},
		{"transpose", false, false, order([]int64{60, 70}, 1, 0)},
		{"window", false, false, func(int64) layouts.Spec { return layouts.Window(50, 16, 24) }},
		{"column", false, false, func(int64) layouts.Spec { return layouts.New(layouts.Column, 0, 3000) }},
	}
}

func TestMeasure(t *testing.T) {
	calls := 0
	b := &Bench{Rounds: 2, Yardsticks: []Yardstick{
		{Name: "copy", Copy: func(dst, src unsafe.Pointer, n int) {
			calls++
			copy(unsafe.Slice((*byte)(dst), n), unsafe.Slice((*byte)(src), n))
		}},
		{Name: "add", Add: func(dt dtype.DType, out, a, b unsafe.Pointer, n int) bool { return dt == dtype.Float32 }},
	}}
	for _, s := range small() {
		for _, k := range []Kernel{Pack, Unpack, ReduceInto, Unfused, ReduceOut} {
			for _, dt := range dtype.All() {
				for _, op := range dtype.Ops() {
					for _, chunk := range []int64{0, 1024} {
						c := Case{k, dt, op, s, chunk}
						if op == dtype.Avg && k != ReduceOut {
							continue // only the last step divides
						}
						calls = 0
						row, err := b.Measure(c)
						require.NoError(t, err, c.Name())
						require.Zero(t, row.Wrong, c.Name())
						require.Len(t, row.Ours, 2)
						require.Len(t, row.Yardsticks[0], 2)
						require.Positive(t, calls)
						adds := k == ReduceInto && op == dtype.Sum && s.Name == "contiguous" && dt == dtype.Float32
						require.Equal(t, adds, row.Yardsticks[1] != nil, c.Name())
						require.Len(t, row.Ratios(0, true), 2)
					}
				}
			}
		}
	}
}

// TestVerifySees makes a kernel go wrong by moving the tensor under the view.
func TestVerifySees(t *testing.T) {
	b := &Bench{Rounds: 1}
	for _, k := range []Kernel{Pack, Unpack, ReduceInto, ReduceOut} {
		s, err := b.set(Case{Kernel: k, DType: dtype.Float32, Op: dtype.Sum, Shape: small()[1]})
		require.NoError(t, err)
		require.Zero(t, s.verify())
		spec := s.tensor.Spec
		moved := strided.FromBytes(dtype.Float32, s.tensor.Bytes).AsStrided(spec.Shape, spec.Strides, spec.Offset+1)
		s.view, err = moved.View(strided.Logical)
		require.NoError(t, err)
		require.Positive(t, s.verify(), string(k))
	}
}

func TestRates(t *testing.T) {
	r := Row{Case: Case{Kernel: ReduceInto}, Bytes: 1e9, Ours: []float64{1.5}, Yardsticks: [][]float64{{1}}}
	require.InDelta(t, 2, r.Rate(1.5), 1e-9)
	require.InDelta(t, 1, r.Ratios(0, true)[0], 1e-9, "3 GB in 1.5 s and 2 GB in 1 s are as fast")
	require.InDelta(t, 2./3, r.Ratios(0, false)[0], 1e-9)
}

// TestCases: every case has a name of its own.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases(dtype.All(), dtype.Ops(), 256<<10) {
		require.False(t, seen[c.Name()], c.Name())
		seen[c.Name()] = true
		require.Zero(t, c.Bytes()%int64(c.DType.Size()))
	}
	require.True(t, seen["pack/int32/transpose_4096x4096/whole"])
	require.False(t, seen["pack/float/transpose_4096x4096/whole"], "int32 stands for it")
	require.True(t, seen["reduce_into/float/sum/transpose_4096x4096/whole"])
	require.NotEmpty(t, seen)
}

func TestRatesWithinARun(t *testing.T) {
	contiguous := Shape{Name: "contiguous", contiguous: true, spec: small()[0].spec}
	row := func(k Kernel, dt dtype.DType, s Shape, bytes int64, seconds float64) Row {
		return Row{Case: Case{Kernel: k, DType: dt, Op: dtype.Sum, Shape: s}, Bytes: bytes, Ours: []float64{seconds}}
	}
	var r Rates
	r.Add(row(ReduceInto, dtype.Float32, contiguous, 100, 1))
	r.Add(row(ReduceInto, dtype.Float16, contiguous, 100, 2))
	r.Add(row(ReduceInto, dtype.Float32, small()[1], 100, 3))
	r.Add(row(Unfused, dtype.Float32, small()[1], 100, 4))
	var out strings.Builder
	require.NoError(t, r.Write(&out))
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "byte rate over float's: 0.50")
	require.Contains(t, out.String(), "time over pack_then_add's: 0.75")
}
