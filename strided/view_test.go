package strided

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
	"github.com/monel-dev/monel/strided/internal/kernel"
	"github.com/stretchr/testify/require"
)

// gather packs the elements at places one by one.
func gather(data []byte, places []int64, es int64) []byte {
	out := make([]byte, 0, int64(len(places))*es)
	for _, p := range places {
		out = append(out, data[p*es:(p+1)*es]...)
	}
	return out
}

// scatter is the reverse of gather.
func scatter(data, packed []byte, places []int64, es int64) {
	for i, p := range places {
		copy(data[p*es:(p+1)*es], packed[int64(i)*es:])
	}
}

// reduced is the reference reduction of two packed operands, one element at a
// time.
func reduced(op Op, dt DType, a, b []byte, finish bool, ranks int) []byte {
	es := dt.Size()
	out := make([]byte, len(a))
	for i := 0; i < len(a); i += es {
		if finish {
			kernel.ReduceFinish(op, dt, unsafe.Pointer(&out[i]), nil, unsafe.Pointer(&a[i]), unsafe.Pointer(&b[i]), 1, ranks)
		} else {
			kernel.Reduce(op, dt, unsafe.Pointer(&out[i]), unsafe.Pointer(&a[i]), unsafe.Pointer(&b[i]), 1)
		}
	}
	return out
}

// guarded is a slot of n bytes with guards around it, and a function that reports
// whether they are intact.
func guarded(rng *rand.Rand, n int64) ([]byte, func() bool) {
	const guard = 64
	b := filled(rng, n+2*guard)
	before, after := bytes.Clone(b[:guard]), bytes.Clone(b[guard+n:])
	return b[guard : guard+n : guard+n], func() bool {
		return bytes.Equal(b[:guard], before) && bytes.Equal(b[guard+n:], after)
	}
}

// checkView compares every operation of a view with the element-by-element
// reference, over one range. The other tensor is an output of the same count.
func checkView(t *testing.T, rng *rand.Rand, x Tensor, data []byte, w Walk, lo, hi int64) {
	t.Helper()
	l, dt := x.Layout(), x.DType()
	es := int64(dt.Size())
	at := places(l, w)
	require.Equal(t, int64(len(at)), l.Count())
	v, err := x.View(w)
	require.NoError(t, err)
	require.Equal(t, l.Count(), v.Count())
	where := func(what string) string { return what + " of " + l.String() + " in walk " + w.String() }
	op := dtype.Ops()[rng.IntN(len(dtype.Ops()))]
	ranks := 1 + rng.IntN(9)
	size := (hi - lo) * es

	before := bytes.Clone(data)
	want := gather(data, at[lo:hi], es)

	slot, intact := guarded(rng, size)
	v.Pack(slot, lo, hi)
	require.True(t, bytes.Equal(want, slot), where("Pack"))
	require.True(t, intact(), where("guard of Pack"))

	if b, ok := v.Bytes(lo, hi); ok {
		require.True(t, bytes.Equal(want, b), where("Bytes"))
	}
	least := rng.Int64N(64)
	kept := []byte("kept")
	pieces, ok := v.Pieces([][]byte{kept}, lo, hi, least)
	require.Equal(t, kept, pieces[0], where("Pieces"))
	if ok {
		require.True(t, bytes.Equal(want, slices.Concat(pieces[1:]...)), where("Pieces"))
		for _, p := range pieces[min(2, len(pieces)):max(2, len(pieces)-1)] {
			require.GreaterOrEqual(t, int64(len(p)), least, where("Pieces"))
		}
	} else {
		require.Len(t, pieces, 1, where("Pieces"))
	}

	in, _ := guarded(rng, size)
	sum := reduced(op, dt, in, want, false, 0)
	v.ReduceInto(slot, in, lo, hi, op)
	require.True(t, bytes.Equal(sum, slot), where("ReduceInto "+op.String()))
	require.True(t, intact(), where("guard of ReduceInto"))
	copy(slot, in)
	v.ReduceInto(slot, slot, lo, hi, op)
	require.True(t, bytes.Equal(sum, slot), where("ReduceInto in place "+op.String()))
	require.True(t, bytes.Equal(before, data), where("memory after reading"))

	if l.CheckOutput() != nil {
		return
	}
	// In place: the result goes where the operand was.
	final := reduced(op, dt, in, want, true, ranks)
	after := bytes.Clone(before)
	scatter(after, final, at[lo:hi], es)
	out := slot
	if rng.IntN(3) == 0 {
		out = nil
	}
	v.ReduceOut(v, out, in, lo, hi, op, ranks)
	require.True(t, bytes.Equal(after, data), where("ReduceOut "+op.String()))
	require.True(t, out == nil || bytes.Equal(final, out), where("slot of ReduceOut"))
	require.True(t, intact(), where("guard of ReduceOut"))

	v.Unpack(want, lo, hi)
	require.True(t, bytes.Equal(before, data), where("Unpack"))
}

// checkReduceOut compares ReduceOut from x to y, of the same shape, with the
// reference.
func checkReduceOut(t *testing.T, rng *rand.Rand, x, y Tensor, xdata, ydata []byte, w Walk, lo, hi int64) {
	t.Helper()
	es := int64(x.DType().Size())
	op := dtype.Ops()[rng.IntN(len(dtype.Ops()))]
	ranks := 1 + rng.IntN(9)
	from, err := x.View(w)
	require.NoError(t, err)
	to, err := y.View(w)
	require.NoError(t, err)
	in, _ := guarded(rng, (hi-lo)*es)
	want := reduced(op, x.DType(), in, gather(xdata, places(x.Layout(), w)[lo:hi], es), true, ranks)
	xbefore, after := bytes.Clone(xdata), bytes.Clone(ydata)
	scatter(after, want, places(y.Layout(), w)[lo:hi], es)
	var out []byte
	if rng.IntN(3) > 0 {
		out = make([]byte, len(in))
		if rng.IntN(2) > 0 {
			out = in
		}
	}
	from.ReduceOut(to, out, in, lo, hi, op, ranks)
	require.True(t, bytes.Equal(after, ydata), "%v to %v in walk %v, [%d,%d)", x, y, w, lo, hi)
	require.True(t, bytes.Equal(xbefore, xdata), "source %v", x)
	require.True(t, out == nil || bytes.Equal(want, out), "slot, %v to %v in walk %v, [%d,%d)", x, y, w, lo, hi)
}

// sameShapeTensor is a new tensor of x's shape and another random layout whose
// elements do not overlap.
func sameShapeTensor(rng *rand.Rand, x Tensor) (Tensor, []byte) {
	shape := x.Shape()
	perm := rng.Perm(len(shape))
	// Room for gaps, then permuted, sliced and stepped back to the shape.
	room := make([]int64, len(shape))
	count := int64(1)
	for i, d := range perm {
		room[i] = shape[d]
		switch rng.IntN(4) {
		case 0:
			room[i] += rng.Int64N(3)
		case 1:
			room[i] = 2*room[i] - rng.Int64N(2)
		}
		count *= room[i]
	}
	data := filled(rng, count*int64(x.DType().Size()))
	y := FromBytes(x.DType(), data).Reshape(room...)
	back := make([]int, len(perm))
	for i, d := range perm {
		back[d] = i
	}
	y = y.Permute(back...)
	for d, n := range shape {
		have := y.Layout().Size(d)
		if n > 0 && have >= 2*n-1 && n > 1 && rng.IntN(2) == 0 {
			y = y.Step(d, 2)
		}
		lo := rng.Int64N(y.Layout().Size(d) - n + 1)
		y = y.Slice(d, lo, lo+n)
		if rng.IntN(5) == 0 {
			y = y.Reverse(d)
		}
	}
	return y, data
}

func TestViewAgainstNaive(t *testing.T) {
	rng := seeded(t)
	all := dtype.All()
	for i := range rounds(3000) {
		limit := []int64{50, 1000, 20000}[min(rng.IntN(12)/5, 2)]
		x, data := randomTensor(rng, all[i%len(all)], limit)
		require.NoError(t, x.Err())
		w := randomWalk(rng, x.Layout())
		lo, hi := randomRange(rng, x.Count())
		checkView(t, rng, x, data, w, lo, hi)
		y, ydata := sameShapeTensor(rng, x)
		require.NoError(t, y.Err())
		checkReduceOut(t, rng, x, y, data, ydata, w, lo, hi)
	}
}

// TestLargeViews: moves too large for the cache take other ways through the
// kernels, and ranges of long rows others through the scratch.
func TestLargeViews(t *testing.T) {
	rng := seeded(t)
	for _, dt := range []DType{Float64, Float32, Float16, Int8} {
		es := int64(dt.Size())
		make2 := func(shape ...int64) (Tensor, []byte) {
			data := filled(rng, shape[0]*shape[1]*es)
			return FromBytes(dt, data).Reshape(shape...), data
		}
		bytes := int64(1 << 20)
		if es == 8 {
			bytes = 9 << 20 // streamed past the cache
		}
		rows := bytes / 8192
		cols := 8192 / es
		type pair struct {
			x    Tensor
			data []byte
		}
		for name, make := range map[string]func() pair{
			"transposed":  func() pair { x, b := make2(rows, cols); return pair{x.Permute(1, 0), b} },
			"upside down": func() pair { x, b := make2(rows, cols); return pair{x.Reverse(1).Permute(1, 0), b} },
			"odd rows":    func() pair { x, b := make2(rows, cols+3); return pair{x.Slice(1, 1, cols+1).Permute(1, 0), b} },
			"channels":    func() pair { x, b := make2(bytes/512, 512/es); return pair{x.Permute(1, 0), b} },
			"planes":      func() pair { x, b := make2(512/es, bytes/512); return pair{x.Permute(1, 0), b} },
			"runs":        func() pair { x, b := make2(2*bytes/256, 256/es); return pair{x.Slice(1, 0, 128/es), b} },
			"odd runs":    func() pair { x, b := make2(2*bytes/256, 256/es); return pair{x.Slice(1, 1, 121/es), b} },
		} {
			if raceEnabled && (dt != Float64 || name == "channels") {
				continue
			}
			one := make()
			count := one.x.Count()
			lo := rng.Int64N(count)
			hi := min(count, lo+1+rng.Int64N(2*chunkBytes/es))
			if name == "runs" || name == "odd rows" {
				checkView(t, rng, one.x, one.data, Logical, 0, count)
			}
			checkView(t, rng, one.x, one.data, Logical, lo, hi)
			other := make()
			y, ydata := sameShapeTensor(rng, one.x)
			checkReduceOut(t, rng, one.x, other.x, one.data, other.data, Logical, lo, hi)
			checkReduceOut(t, rng, one.x, y, one.data, ydata, Logical, lo, hi)
			checkReduceOut(t, rng, y, one.x, ydata, one.data, Logical, lo, hi)
		}
	}
}

// TestViewChunks packs tensors chunk by chunk with every chunk size that falls
// badly: chunks begin and end in the middle of runs, rows and tiles.
func TestViewChunks(t *testing.T) {
	rng := seeded(t)
	tensor := func(shape ...int64) Tensor {
		n := int64(1)
		for _, s := range shape {
			n *= s
		}
		return FromBytes(Uint32, filled(rng, 4*n)).Reshape(shape...)
	}
	layouts := map[string]Tensor{
		"contiguous":       tensor(60, 70),
		"transpose":        tensor(130, 70).Permute(1, 0),
		"reversed rows":    tensor(130, 70).Permute(1, 0).Reverse(0),
		"reversed columns": tensor(130, 70).Permute(1, 0).Reverse(1),
		"nchw as nhwc":     tensor(2, 5, 9, 31).Permute(0, 2, 3, 1),
		"nhwc as nchw":     tensor(2, 9, 31, 5).Permute(0, 3, 1, 2),
		"all reversed":     tensor(9, 8, 7, 6).Permute(3, 2, 1, 0),
		"slice":            tensor(50, 90).Slice(1, 3, 70),
		"column":           tensor(500, 7).Select(1, 3),
		"pairs":            tensor(40, 30, 2).Permute(1, 0, 2),
		"triples":          tensor(40, 30, 3).Permute(1, 0, 2),
		"octets":           tensor(40, 30, 8).Permute(1, 0, 2),
		"reversed pairs":   tensor(40, 30, 2).Permute(1, 0, 2).Reverse(0),
		"two columns":      tensor(300, 2).Permute(1, 0),
		"three rows":       tensor(3, 2000).Permute(1, 0),
		"many squares":     tensor(300, 301).Permute(1, 0).Slice(1, 3, 290),
		"steps":            tensor(60, 70).Step(0, 2).Step(1, 3).Permute(1, 0),
		"expanded":         tensor(1, 40, 1).Expand(30, 40, 3),
	}
	for name, x := range layouts {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, x.Err())
			data := unsafe.Slice((*byte)(x.mem.ptr), x.mem.bytes)
			want := gather(data, places(x.Layout(), Logical), 4)
			v, err := x.View(Logical)
			require.NoError(t, err)
			for _, chunk := range []int64{1, 3, 16, 61, 70, 71, 129, 130, 131, 1000, x.Count()} {
				got := make([]byte, len(want))
				for lo := int64(0); lo < x.Count(); lo += chunk {
					hi := min(lo+chunk, x.Count())
					v.Pack(got[4*lo:4*hi], lo, hi)
				}
				require.True(t, bytes.Equal(want, got), "chunks of %d", chunk)
			}
			if x.Layout().CheckOutput() != nil {
				return
			}
			before := bytes.Clone(data)
			for _, chunk := range []int64{7, 64, 333} {
				for lo := int64(0); lo < x.Count(); lo += chunk {
					hi := min(lo+chunk, x.Count())
					slot := bytes.Clone(want[4*lo : 4*hi])
					v.ReduceOut(v, nil, slot, lo, hi, Max, 1) // max(a, a) = a
					clear(slot)
					v.ReduceInto(slot, want[4*lo:4*hi], lo, hi, Min)
					v.Unpack(slot, lo, hi)
				}
				require.True(t, bytes.Equal(before, data), "chunks of %d", chunk)
			}
		})
	}
}

func TestViewPanicsOnMisuse(t *testing.T) {
	v, err := Of(make([]float32, 10)).View(Logical)
	require.NoError(t, err)
	slot := make([]byte, 40)
	ints, err := Of(make([]int32, 10)).View(Logical)
	require.NoError(t, err)
	for name, f := range map[string]func(){
		"negative":       func() { v.Pack(slot, -1, 3) },
		"backwards":      func() { v.Pack(slot, 4, 3) },
		"past the end":   func() { v.Unpack(slot, 4, 11) },
		"short slot":     func() { v.Pack(slot[:39], 0, 10) },
		"short input":    func() { v.ReduceInto(slot, slot[:8], 0, 3, Sum) },
		"short output":   func() { v.ReduceOut(v, slot[:8], slot, 0, 3, Sum, 2) },
		"operator":       func() { v.ReduceInto(slot, slot, 0, 3, 99) },
		"other type":     func() { v.ReduceOut(ints, nil, slot, 0, 3, Sum, 2) },
		"average over 0": func() { v.ReduceOut(v, nil, slot, 0, 3, Avg, 0) },
		"zero view":      func() { View{}.Pack(slot, 0, 1) },
	} {
		require.Panics(t, f, name)
	}
	View{}.Pack(nil, 0, 0)
	v.Pack(nil, 10, 10)
}

func TestViewOfEmpty(t *testing.T) {
	for _, x := range []Tensor{Of([]float32{}), Of([]float32(nil)), Of(make([]int8, 12)).Reshape(3, 4).Slice(1, 2, 2)} {
		require.NoError(t, x.Err())
		v, err := x.View(x.Layout().MemoryWalk())
		require.NoError(t, err)
		require.Zero(t, v.Count())
		v.Pack(nil, 0, 0)
		v.ReduceOut(v, nil, nil, 0, 0, Sum, 1)
		b, ok := v.Bytes(0, 0)
		require.True(t, ok)
		require.Empty(t, b)
	}
}

func TestViewBytes(t *testing.T) {
	data := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	v, err := Of(data).Reshape(3, 4).Slice(1, 1, 3).View(Logical)
	require.NoError(t, err)
	b, ok := v.Bytes(2, 4)
	require.True(t, ok)
	require.Equal(t, []float32{5, 6}, slices.Clone(unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), 2)))
	_, ok = v.Bytes(1, 3)
	require.False(t, ok)
	_, err = Tensor{}.View(Logical)
	require.ErrorIs(t, err, ErrNilMemory)
	_, err = Of(data).View(1 << 60)
	require.ErrorIs(t, err, ErrWalk)
}

func TestViewPieces(t *testing.T) {
	data := make([]byte, 4*10)
	for i := range data {
		data[i] = byte(i)
	}
	window, err := FromBytes(Uint8, data).Reshape(4, 10).Slice(1, 2, 8).View(Logical)
	require.NoError(t, err)
	for _, c := range []struct {
		lo, hi, least int64
		want          [][]byte
	}{
		{0, 0, 1, [][]byte{nil}},
		{1, 5, 99, [][]byte{{3, 4, 5, 6}}},
		{0, 12, 6, [][]byte{{2, 3, 4, 5, 6, 7}, {12, 13, 14, 15, 16, 17}}},
		{5, 13, 6, [][]byte{{7}, {12, 13, 14, 15, 16, 17}, {22}}},
		{5, 13, 7, nil},
	} {
		got, ok := window.Pieces(nil, c.lo, c.hi, c.least)
		require.Equal(t, c.want != nil, ok, "%+v", c)
		require.Equal(t, c.want, got, "%+v", c)
	}
	column, err := FromBytes(Uint8, data).Reshape(4, 10).Permute(1, 0).View(Logical)
	require.NoError(t, err)
	_, ok := column.Pieces(nil, 0, 8, 1)
	require.False(t, ok)
	list := make([][]byte, 0, 4)
	require.Zero(t, testing.AllocsPerRun(10, func() { window.Pieces(list, 0, 24, 6) }))
}

// TestLongRuns: runs long enough to be reduced straight on the memory, against
// runs that end elsewhere.
func TestLongRuns(t *testing.T) {
	rng := seeded(t)
	tensor := func(kind int) (Tensor, []byte) {
		data := filled(rng, 4*64*400)
		x := FromBytes(Int32, data)
		switch kind {
		case 0:
			return x.Slice(0, 5, 6005).Reshape(20, 300), data
		case 1:
			return x.Reshape(64, 400).Slice(0, 2, 22).Slice(1, 7, 307), data
		case 2:
			return x.Slice(0, 0, 64*390).Reshape(64, 390).Slice(0, 0, 40).Step(0, 2).Slice(1, 0, 300), data
		case 3: // runs of 100 in three dimensions
			return x.Slice(0, 0, 20*4*200).Reshape(20, 4, 200).Slice(1, 1, 4).Slice(2, 0, 100), data
		default:
			return x.Slice(0, 0, 6000).Reshape(300, 20).Permute(1, 0), data
		}
	}
	for a := range 5 {
		for b := range 5 {
			for range 20 {
				x, xdata := tensor(a)
				y, ydata := tensor(b)
				if x.Layout().NumDims() != y.Layout().NumDims() { // split the one of two
					x, y = x.Reshape(20, 3, 100), y.Reshape(20, 3, 100)
				}
				require.NoError(t, x.Err())
				require.NoError(t, y.Err())
				lo, hi := randomRange(rng, x.Count())
				checkReduceOut(t, rng, x, y, xdata, ydata, Logical, lo, hi)
				want := bytes.Clone(ydata)
				scatter(want, gather(xdata, places(x.Layout(), Logical), 4), places(y.Layout(), Logical), 4)
				require.NoError(t, Copy(y, x))
				require.True(t, bytes.Equal(want, ydata), "%v to %v", x, y)
			}
		}
	}
}
