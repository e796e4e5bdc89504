package kernels

import (
	"math"
	"math/bits"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/strided/dtype"
)

// recorder remembers what would have been launched.
type recorder struct {
	kernels []string
	runs    []run
	jobs    []job
}

func (r *recorder) launch(k kernel, blocks, shared uint32, params unsafe.Pointer) error {
	r.kernels = append(r.kernels, k.name())
	if k < kernelOf(general, 1) {
		r.runs = append(r.runs, *(*run)(params))
	} else {
		r.jobs = append(r.jobs, *(*job)(params))
	}
	return nil
}

func (r *recorder) do(o order) error { return (&planner{l: r}).carryOut(&o) }

// Where views and slots are in these tests: nobody touches them.
const (
	memoryAt = 0x10_0000_0000
	slotAt   = 0x20_0000_0000
)

// floats is a view of float32; strides count elements.
func floats(offset int64, size, stride []int64) *View {
	return viewOf(dtype.Float32, offset, size, stride)
}

func viewOf(dt dtype.DType, offset int64, size, stride []int64) *View {
	es := int64(dt.Size())
	v := &View{Base: cudaffi.DevicePtr(memoryAt + offset*es), DType: dt, Count: 1, Size: size}
	for i, n := range size {
		v.Count *= n
		v.Stride = append(v.Stride, stride[i]*es)
	}
	return v
}

// TestPlans: which kernels move and reduce what.
func TestPlans(t *testing.T) {
	type sizes = []int64
	for _, test := range []struct {
		name         string
		v            *View
		lo, hi       int64
		move, reduce []string
	}{
		{"contiguous", floats(0, sizes{1000}, sizes{1}), 0, 1000, []string{"monel_copy"}, []string{"monel_reduce_4"}},
		{"contiguous in three dimensions", floats(0, sizes{10, 1, 10, 10}, sizes{100, 7, 10, 1}), 5, 900, []string{"monel_copy"}, []string{"monel_reduce_4"}},
		{"one row of many", floats(0, sizes{10, 100}, sizes{200, 1}), 210, 290, []string{"monel_copy"}, []string{"monel_reduce_4"}},
		{"long runs", floats(0, sizes{10, 100}, sizes{200, 1}), 0, 1000, []string{"monel_strided_16"}, []string{"monel_strided_4"}},
		{"long runs and a tail", floats(0, sizes{10, 100}, sizes{200, 1}), 0, 803, []string{"monel_strided_16", "monel_copy"}, []string{"monel_strided_4"}},
		{"misaligned runs", floats(1, sizes{10, 100}, sizes{200, 1}), 0, 1000, []string{"monel_strided_4"}, []string{"monel_strided_4"}},
		{"runs of two", floats(0, sizes{10, 5, 2}, sizes{6, 60, 1}), 0, 100, []string{"monel_strided_8"}, []string{"monel_strided_4"}},
		{"column", floats(0, sizes{1000}, sizes{3}), 0, 1000, []string{"monel_strided_4"}, []string{"monel_strided_4"}},
		{"backwards", floats(999, sizes{1000}, sizes{-1}), 0, 1000, []string{"monel_strided_4"}, []string{"monel_strided_4"}},
		{"transposed", floats(0, sizes{100, 100}, sizes{1, 100}), 0, 10000, []string{"monel_tiled_4"}, []string{"monel_tiled_4"}},
		{"transposed backwards", floats(99, sizes{100, 100}, sizes{-1, 100}), 0, 10000, []string{"monel_tiled_4"}, []string{"monel_tiled_4"}},
		{"transposed pairs", floats(0, sizes{100, 50, 2}, sizes{2, 200, 1}), 0, 10000, []string{"monel_tiled_8"}, []string{"monel_strided_4"}},
		{"transposed octets", floats(0, sizes{100, 50, 8}, sizes{8, 800, 1}), 0, 40000, []string{"monel_strided_16"}, []string{"monel_strided_4"}},
		{"less than a row of a transposed one", floats(0, sizes{100, 100}, sizes{1, 100}), 130, 170, []string{"monel_strided_4"}, []string{"monel_strided_4"}},
		{"channels", floats(0, sizes{2, 64, 100}, sizes{6400, 1, 64}), 0, 12800, []string{"monel_tiled_4"}, []string{"monel_tiled_4"}},
		{"few channels", floats(0, sizes{2, 100, 3}, sizes{300, 1, 100}), 0, 600, []string{"monel_strided_4"}, []string{"monel_strided_4"}},
		{"expanded", floats(0, sizes{100, 100}, sizes{1, 0}), 0, 10000, []string{"monel_tiled_4"}, []string{"monel_tiled_4"}},
		{"one element", floats(0, nil, nil), 0, 1, []string{"monel_copy"}, []string{"monel_reduce_4"}},
		{"nothing", floats(0, sizes{10}, sizes{3}), 4, 4, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, o := range []order{
				{src: test.v, out: slotAt}, {dst: test.v, in: slotAt},
				{src: test.v, in: slotAt, out: slotAt, reduces: true, op: dtype.Sum, ranks: 1},
				{src: test.v, dst: test.v, in: slotAt, reduces: true, op: dtype.Max, ranks: 1},
			} {
				o.lo, o.hi = test.lo, test.hi
				want := test.move
				if o.reduces {
					want = test.reduce
				}
				var r recorder
				require.NoError(t, r.do(o))
				require.Equal(t, want, r.kernels)
			}
		})
	}
}

// TestPlansOfTwoViews: what lies transposed in one view, or the same way in both,
// goes through tiles.
func TestPlansOfTwoViews(t *testing.T) {
	plain := floats(0, []int64{4, 64, 100}, []int64{6400, 100, 1})
	padded := floats(0, []int64{4, 64, 100}, []int64{12800, 200, 1})
	last := floats(1<<20, []int64{4, 64, 100}, []int64{6400, 1, 64})
	wide := floats(1<<20, []int64{4, 64, 100}, []int64{12800, 1, 128})
	first := floats(1<<20, []int64{4, 64, 100}, []int64{1, 4, 256})
	for _, test := range []struct {
		src, dst *View
		want     string
	}{
		{plain, plain, "monel_copy"}, {plain, padded, "monel_strided_16"},
		{plain, last, "monel_tiled_4"}, {last, plain, "monel_tiled_4"}, {padded, last, "monel_tiled_4"},
		{last, wide, "monel_tiled_4"}, {last, first, "monel_strided_4"},
	} {
		var r recorder
		require.NoError(t, r.do(order{src: test.src, dst: test.dst, hi: plain.Count}))
		require.Equal(t, []string{test.want}, r.kernels, "%v to %v", test.src.Stride, test.dst.Stride)
	}
}

// TestPlansOfHugeRanges: numbers in jobs stay below 2^31, and the launches follow
// on each other.
func TestPlansOfHugeRanges(t *testing.T) {
	const n = 5 << 29 // two and a half times what a launch does
	var r recorder
	require.NoError(t, r.do(order{src: viewOf(dtype.Float64, 0, []int64{1 << 40}, []int64{1}), lo: 1 << 39, hi: 1<<39 + n, out: slotAt}))
	at := int64(0)
	for _, run := range r.runs {
		require.Equal(t, uint64(memoryAt+8<<39+at), run.src)
		require.Equal(t, uint64(slotAt+at), run.out)
		require.LessOrEqual(t, run.count, uint32(maxRange))
		at += int64(run.count)
	}
	require.EqualValues(t, 8*n, at)

	r = recorder{}
	lo := int64(1<<39 + 7)
	require.NoError(t, r.do(order{dst: viewOf(dtype.Int8, 0, []int64{1 << 40}, []int64{3}), lo: lo, hi: lo + n, in: slotAt}))
	require.Len(t, r.jobs, 3)
	at = 0
	for _, j := range r.jobs {
		require.Equal(t, uint64(memoryAt+3*(lo+at)), j.b+uint64(3*j.lo), "%d", at)
		require.Equal(t, uint64(slotAt+at), j.in)
		at += int64(j.hi - j.lo)
	}
	require.EqualValues(t, n, at)
}

func TestReciprocals(t *testing.T) {
	rng := seeded(t)
	divisors := []uint32{1, 2, 3, 4, 5, 7, 641, 1 << 16, 1<<16 + 1, 1<<30 - 1, 1 << 30, 1<<31 - 1}
	for range 1000 {
		divisors = append(divisors, 1+rng.Uint32N(1<<(1+rng.Uint32N(31))-1))
	}
	for _, n := range divisors {
		magic, shift := reciprocal(n)
		magic64, shift64 := reciprocal64(max(uint64(n), 2))
		for range 200 {
			v := rng.Uint32() >> (1 + rng.IntN(30))
			if rng.IntN(2) == 0 {
				v = min(v/n*n-rng.Uint32N(2), math.MaxInt32)
			}
			require.Equal(t, v/n, (uint32(uint64(magic)*uint64(v)>>32)+v)>>shift, "%d / %d", v, n)
			w := rng.Uint64() >> rng.IntN(64)
			if rng.IntN(2) == 0 {
				w = w/uint64(n)*uint64(n) - rng.Uint64N(2)
			}
			if n > 1 {
				require.Equal(t, w/uint64(n), quotient64(magic64, w, shift64), "%d / %d", w, n)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	ok := floats(0, []int64{10, 10}, []int64{1, 10})
	odd := *ok
	odd.Base += 2
	lie := *ok
	lie.Count = 99
	short := *ok
	short.Stride = short.Stride[:1]
	skewed := *ok
	skewed.Stride = []int64{4, 42}
	halves := viewOf(dtype.Float16, 0, []int64{100}, []int64{1})
	ragged := floats(0, []int64{4, 25}, []int64{1, 4})
	for _, test := range []struct {
		name string
		o    order
		want error
	}{
		{"negative", order{src: ok, lo: -1, hi: 3, out: slotAt}, ErrRange},
		{"backwards", order{src: ok, lo: 4, hi: 3, out: slotAt}, ErrRange},
		{"past the end", order{dst: ok, lo: 4, hi: 101, in: slotAt}, ErrRange},
		{"second view", order{src: ok, dst: &lie, hi: 100}, ErrRange},
		{"base", order{src: &odd, hi: 3, out: slotAt}, ErrAlignment},
		{"stride", order{src: &skewed, hi: 3, out: slotAt}, ErrAlignment},
		{"slot", order{src: ok, hi: 3, out: slotAt + 1}, ErrAlignment},
		{"count", order{src: &lie, hi: 3, out: slotAt}, ErrView},
		{"strides", order{src: &short, hi: 3, out: slotAt}, ErrView},
		{"types", order{src: ok, dst: halves, hi: 3}, ErrView},
		{"shapes", order{src: ok, dst: ragged, hi: 100}, ErrView},
		{"operator", order{src: ok, hi: 3, in: slotAt, out: slotAt, reduces: true, op: 5}, ErrOperation},
		{"no ranks", order{src: ok, dst: ok, hi: 3, in: slotAt, reduces: true, op: dtype.Avg}, ErrOperation},
		{"too many ranks", order{src: ok, dst: ok, hi: 3, in: slotAt, reduces: true, op: dtype.Avg, ranks: maxRanks + 1}, ErrOperation},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r recorder
			require.ErrorIs(t, r.do(test.o), test.want)
			require.Empty(t, r.kernels)
		})
	}
}

// nothing is a launcher.
type nothing struct{}

func (nothing) launch(kernel, uint32, uint32, unsafe.Pointer) error { return nil }

func TestPlanningAllocatesNothing(t *testing.T) {
	transposed := floats(0, []int64{4, 64, 100}, []int64{6400, 1, 64})
	runs := floats(0, []int64{4, 64, 100}, []int64{12800, 200, 1})
	p := &planner{l: nothing{}}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, o := range [...]order{
			{src: transposed, lo: 7, hi: 20000, out: slotAt},
			{src: runs, lo: 7, hi: 20001, out: slotAt},
			{src: runs, dst: transposed, hi: 25600, in: slotAt, reduces: true, op: dtype.Avg, ranks: 3},
		} {
			if err := p.carryOut(&o); err != nil {
				panic(err)
			}
		}
	}))
}

// quotient64 is what the kernels compute.
func quotient64(magic, v uint64, shift uint32) uint64 {
	h, _ := bits.Mul64(magic, v)
	return ((v-h)>>1 + h) >> shift
}

// TestDivision: dividing floats in double with one correction, as the kernels do
// on GPUs, gives float's quotient.
func TestDivision(t *testing.T) {
	rng := seeded(t)
	for i := range 3_000_000 {
		bits := rng.Uint32()
		switch i % 4 {
		case 0: // few bits, so that quotients lie between two floats
			bits &= 0xfff << rng.IntN(21)
		case 1: // subnormal
			bits &^= 0x7f000000
		}
		x, n := math.Float32frombits(bits), 1+rng.IntN(1<<(1+rng.IntN(24))-1)
		inverse := 1 / float64(n)
		q := float64(x) * inverse
		rest := math.FMA(-q, float64(n), float64(x))
		if rest > 0 || rest < 0 {
			q = math.FMA(rest, inverse, q)
		}
		got, want := float32(q), x/float32(n)
		if math.Float32bits(got) != math.Float32bits(want) && (got == got || want == want) {
			t.Fatalf("%v (%#x) / %d is %v, want %v", x, bits, n, got, want)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	for name, v := range map[string]*View{
		"contiguous": floats(0, []int64{25600}, []int64{1}),
		"runs":       floats(0, []int64{4, 64, 100}, []int64{12800, 200, 1}),
		"tiles":      floats(0, []int64{4, 64, 100}, []int64{6400, 1, 64}),
	} {
		b.Run(name, func(b *testing.B) {
			p := &planner{l: nothing{}}
			for b.Loop() {
				if err := p.carryOut(&order{src: v, lo: 6400, hi: 12800, out: slotAt}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
