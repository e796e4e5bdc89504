package kernels

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// tensor is a strided tensor and the memory that it lies in.
type tensor struct {
	strided.Tensor
	data []byte
}

// view is x's elements in logical order, when its memory is at base.
func (x tensor) view(base cudaffi.DevicePtr) *View {
	l := x.Layout()
	es := int64(x.DType().Size())
	v := &View{Base: base + cudaffi.DevicePtr(l.Offset()*es), DType: x.DType(), Count: l.Count()}
	if v.Count == 0 {
		return v
	}
	for d := range l.NumDims() {
		v.Size = append(v.Size, l.Size(d))
		v.Stride = append(v.Stride, l.Stride(d)*es)
	}
	return v
}

// clone is x in memory of its own.
func (x tensor) clone() tensor {
	data := aligned(len(x.data))
	copy(data, x.data)
	l := x.Layout()
	return tensor{strided.FromBytes(x.DType(), data).AsStrided(l.Shape(), l.Strides(), l.Offset()), data}
}

// aligned is n bytes at a multiple of 16.
func aligned(n int) []byte {
	words := make([]complex128, n/16+1)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n)
}

// filled is n random bytes, aligned.
func filled(rng *rand.Rand, n int) []byte {
	b := aligned(n + 7)
	for i := 0; i < n; i += 8 {
		*(*uint64)(unsafe.Pointer(&b[i])) = rng.Uint64()
	}
	return b[:n]
}

// values is n random bytes that as elements of type dt are numbers of all kinds.
func values(rng *rand.Rand, dt dtype.DType, n int) []byte {
	b := filled(rng, n)
	special := [][]byte{{0, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 0x80, 0x7f}, {1}, {0, 0x7c}, {0x80, 0x7f}, {0, 0, 0, 0, 0, 0, 0xf0, 0xff}, {0, 0, 0xc0, 0xff}, {0xff, 0xff, 0x7f, 0x7f}}
	es := dt.Size()
	for i := 0; i+es <= n; i += es * (1 + rng.IntN(12)) {
		s := special[rng.IntN(len(special))]
		copy(b[i:i+es], s)
	}
	return b
}

// same compares memory that elements of type dt lie in, all NaN of float and
// double being one if sums may have made them.
func same(dt dtype.DType, want, got []byte, exact bool) error {
	if bytes.Equal(want, got) {
		return nil
	}
	es := dt.Size()
	for i := 0; i < len(want); i += es {
		w, g := want[i:min(i+es, len(want))], got[i:min(i+es, len(want))]
		if bytes.Equal(w, g) || !exact && isNaN(dt, w) && isNaN(dt, g) {
			continue
		}
		return fmt.Errorf("element %d of the memory is %x, want %x", i/es, g, w)
	}
	return nil
}

func isNaN(dt dtype.DType, b []byte) bool {
	switch dt {
	case dtype.Float32:
		return len(b) == 4 && math.IsNaN(float64(*(*float32)(unsafe.Pointer(&b[0]))))
	case dtype.Float64:
		return len(b) == 8 && math.IsNaN(*(*float64)(unsafe.Pointer(&b[0])))
	}
	return false
}

// numbers of the machine's memories.
const (
	srcMemory = iota
	dstMemory
	inMemory
	outMemory
)

// trial is one tensor, or two, on a machine, over one range.
type trial struct {
	t      testing.TB
	m      machine
	rng    *rand.Rand
	lo, hi int64
}

// shift is how far from alignment a slot is put: mostly not at all.
func (c *trial) shift(es int) int {
	if c.rng.IntN(3) > 0 {
		return 0
	}
	return es * c.rng.IntN(16/min(es, 16))
}

// slot is a slot of random content with guards around, in memory k.
type slot struct {
	k, shift int
	guarded  []byte
	at       cudaffi.DevicePtr
}

const guard = 64

func (c *trial) slot(k int, dt dtype.DType, n int64) slot {
	s := slot{k: k, shift: c.shift(dt.Size()), guarded: values(c.rng, dt, int(n)*dt.Size()+2*guard)}
	s.at = c.m.place(c.t, k, s.guarded, s.shift) + guard
	return s
}

func (s slot) bytes() []byte { return s.guarded[guard : len(s.guarded)-guard] }

// expect compares a memory of the machine with what should be there.
func (c *trial) expect(what string, dt dtype.DType, k, shift int, want []byte, exact bool) {
	c.t.Helper()
	got := aligned(len(want))
	c.m.fetch(c.t, k, got, shift)
	if err := same(dt, want, got, exact); err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
}

// one compares what is done to one tensor with what package strided does.
func (c *trial) one(x tensor, op dtype.Op, ranks int) {
	c.t.Helper()
	dt := x.DType()
	x = x.clone()
	sel := op == dtype.Max || op == dtype.Min
	want, err := x.View(strided.Logical)
	require.NoError(c.t, err)
	where := func(what string) string { return fmt.Sprintf("%s %v of %v [%d,%d)", what, op, x, c.lo, c.hi) }
	shift := c.shift(dt.Size())
	v := x.view(c.m.place(c.t, srcMemory, x.data, shift))
	n := c.hi - c.lo

	out := c.slot(outMemory, dt, n)
	require.NoError(c.t, c.m.do(order{src: v, lo: c.lo, hi: c.hi, out: out.at}), where("Pack"))
	want.Pack(out.bytes(), c.lo, c.hi)
	c.expect(where("Pack"), dt, outMemory, out.shift, out.guarded, true)

	in := c.slot(inMemory, dt, n)
	out = c.slot(outMemory, dt, n)
	require.NoError(c.t, c.m.do(order{src: v, lo: c.lo, hi: c.hi, in: in.at, out: out.at, reduces: true, op: op, ranks: 1}), where("ReduceInto"))
	want.ReduceInto(out.bytes(), in.bytes(), c.lo, c.hi, op)
	c.expect(where("ReduceInto"), dt, outMemory, out.shift, out.guarded, sel)
	c.expect(where("in of ReduceInto"), dt, inMemory, in.shift, in.guarded, true)
	require.NoError(c.t, c.m.do(order{src: v, lo: c.lo, hi: c.hi, in: in.at, out: in.at, reduces: true, op: op, ranks: 1}), where("ReduceInto in place"))
	copy(in.bytes(), out.bytes())
	c.expect(where("ReduceInto in place"), dt, inMemory, in.shift, in.guarded, sel)
	c.expect(where("memory after reading"), dt, srcMemory, shift, x.data, true)
	if x.Layout().CheckOutput() != nil {
		return
	}

	in, out = c.slot(inMemory, dt, n), c.slot(outMemory, dt, n)
	o := order{src: v, dst: v, lo: c.lo, hi: c.hi, in: in.at, out: out.at, reduces: true, op: op, ranks: ranks}
	slot := out.bytes()
	if c.rng.IntN(3) == 0 {
		o.out, slot = 0, nil
	}
	require.NoError(c.t, c.m.do(o), where("ReduceOut"))
	want.ReduceOut(want, slot, in.bytes(), c.lo, c.hi, op, ranks)
	c.expect(where("ReduceOut"), dt, srcMemory, shift, x.data, sel)
	c.expect(where("slot of ReduceOut"), dt, outMemory, out.shift, out.guarded, sel)

	in = c.slot(inMemory, dt, n)
	v = x.view(c.m.place(c.t, srcMemory, x.data, shift))
	require.NoError(c.t, c.m.do(order{dst: v, lo: c.lo, hi: c.hi, in: in.at}), where("Unpack"))
	want.Unpack(in.bytes(), c.lo, c.hi)
	c.expect(where("Unpack"), dt, srcMemory, shift, x.data, true)
}

// two compares what is done from tensor x to y, of one shape.
func (c *trial) two(x, y tensor, op dtype.Op, ranks int) {
	c.t.Helper()
	dt := x.DType()
	x, y = x.clone(), y.clone()
	sel := op == dtype.Max || op == dtype.Min
	from, err := x.View(strided.Logical)
	require.NoError(c.t, err)
	to, err := y.View(strided.Logical)
	require.NoError(c.t, err)
	where := func(what string) string {
		return fmt.Sprintf("%s %v from %v to %v [%d,%d)", what, op, x, y, c.lo, c.hi)
	}
	xshift, yshift := c.shift(dt.Size()), c.shift(dt.Size())
	src, dst := x.view(c.m.place(c.t, srcMemory, x.data, xshift)), y.view(c.m.place(c.t, dstMemory, y.data, yshift))
	n := c.hi - c.lo

	in, out := c.slot(inMemory, dt, n), c.slot(outMemory, dt, n)
	o := order{src: src, dst: dst, lo: c.lo, hi: c.hi, in: in.at, out: out.at, reduces: true, op: op, ranks: ranks}
	slot := out.bytes()
	switch c.rng.IntN(3) {
	case 0:
		o.out, slot = 0, nil
	case 1:
		o.out, slot = o.in, in.bytes()
	}
	require.NoError(c.t, c.m.do(o), where("ReduceOut"))
	from.ReduceOut(to, slot, in.bytes(), c.lo, c.hi, op, ranks)
	c.expect(where("ReduceOut"), dt, dstMemory, yshift, y.data, sel)
	c.expect(where("in slot of ReduceOut"), dt, inMemory, in.shift, in.guarded, sel)
	c.expect(where("out slot of ReduceOut"), dt, outMemory, out.shift, out.guarded, sel)
	c.expect(where("source of ReduceOut"), dt, srcMemory, xshift, x.data, true)

	y.data = values(c.rng, dt, len(y.data))
	y = y.clone()
	dst = y.view(c.m.place(c.t, dstMemory, y.data, yshift))
	require.NoError(c.t, c.m.do(order{src: src, dst: dst, lo: c.lo, hi: c.hi}), where("Move"))
	to, err = y.View(strided.Logical)
	require.NoError(c.t, err)
	packed := aligned(int(n) * dt.Size())
	from.Pack(packed, c.lo, c.hi)
	to.Unpack(packed, c.lo, c.hi)
	c.expect(where("Move"), dt, dstMemory, yshift, y.data, true)
	c.expect(where("source of Move"), dt, srcMemory, xshift, x.data, true)
}

// address is where b is, for kernels that run on the host.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
