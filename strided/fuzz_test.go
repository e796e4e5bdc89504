package strided

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/monel-dev/monel/strided/dtype"
)

// program reads numbers from fuzzed bytes; past their end, zeros.
type program struct{ b []byte }

func (p *program) byte() int64 {
	if len(p.b) == 0 {
		return 0
	}
	x := p.b[0]
	p.b = p.b[1:]
	return int64(x)
}

// word is a number of any size, small ones more often.
func (p *program) word() int64 {
	n := p.byte()
	x := int64(int8(p.byte()))
	for range n % 8 * (n / 128) {
		x = x<<8 | p.byte()
	}
	return x
}

// FuzzLayout makes layouts and views of arbitrary numbers. Whatever is accepted
// lies within the memory, and what a view does is what the reference does.
func FuzzLayout(f *testing.F) {
	f.Add([]byte{7, 2, 0, 4, 0, 6, 0, 6, 0, 1, 0, 0, 0, 3, 1})
	f.Add([]byte{1, 1, 0, 50, 0, 0xff, 0, 49, 2, 9, 30})
	f.Add([]byte{0, 3, 0, 2, 0, 3, 0, 4, 0, 0, 0, 1, 0, 3, 0, 0, 1, 2, 3, 4, 5, 6})
	f.Add([]byte{8, 1, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &program{b}
		dt := DType(p.byte() % 13)
		nd := p.byte() % 9
		shape, strides := make([]int64, nd), make([]int64, nd)
		for i := range shape {
			shape[i] = p.word()
		}
		for i := range strides {
			strides[i] = p.word()
		}
		offset := p.word()
		rng := rand.New(rand.NewPCG(uint64(p.byte()), uint64(p.byte())))
		l, err := NewLayout(dt, shape, strides, offset)
		if err != nil || l.Count() > 1<<12 || l.End() > 1<<16 {
			return
		}
		data := filled(rng, 1<<16*int64(dt.Size()))
		x := FromBytes(dt, data).AsStrided(shape, strides, offset)
		if x.Err() != nil {
			t.Fatalf("the memory is large enough: %v", x.Err())
		}
		for _, place := range places(l, Logical) {
			if place < 0 || place >= l.End() {
				t.Fatalf("%v touches element %d", l, place)
			}
		}
		w := Walk(rng.Uint64())
		if w.Validate(shape) != nil {
			w = randomWalk(rng, l)
		}
		lo, hi := randomRange(rng, l.Count())
		checkView(t, rng, x, data, w, lo, hi)
	})
}

// FuzzViews runs arbitrary chains of view operations and compares ReduceOut and
// Copy between the result and a tensor of the same shape with the reference.
func FuzzViews(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint8(7))
	f.Add(uint64(3), uint64(4), uint8(6))
	f.Add(uint64(5), uint64(6), uint8(0))
	f.Fuzz(func(t *testing.T, s1, s2 uint64, dt uint8) {
		rng := rand.New(rand.NewPCG(s1, s2))
		x, xdata := randomTensor(rng, dtype.All()[int(dt)%len(dtype.All())], 4000)
		w := randomWalk(rng, x.Layout())
		lo, hi := randomRange(rng, x.Count())
		checkView(t, rng, x, xdata, w, lo, hi)
		y, ydata := sameShapeTensor(rng, x)
		checkReduceOut(t, rng, x, y, xdata, ydata, w, lo, hi)
		es := int64(x.DType().Size())
		want := bytes.Clone(ydata)
		scatter(want, gather(xdata, places(x.Layout(), Logical), es), places(y.Layout(), Logical), es)
		if err := Copy(y, x); err != nil || !bytes.Equal(want, ydata) {
			t.Fatalf("Copy %v to %v: %v", x, y, err)
		}
	})
}

// FuzzWalk: a code from the network is refused or fits the shape.
func FuzzWalk(f *testing.F) {
	f.Add(uint64(0), []byte{3, 4})
	f.Add(uint64(2<<60|1), []byte{3, 4})
	f.Add(uint64(3<<60|1<<48|0x102), []byte{3, 4, 1, 5})
	f.Add(uint64(15<<60|1<<51|2<<48|1<<24|0x10), []byte{3, 4, 1}) // logical | 1,0 by 2
	f.Fuzz(func(t *testing.T, code uint64, sizes []byte) {
		w := Walk(code)
		_ = w.String()
		shape := make([]int64, min(len(sizes), MaxDims))
		count := int64(1)
		for i := range shape {
			shape[i] = int64(sizes[i] % 6)
			if count *= shape[i]; count > 1<<12 {
				return
			}
		}
		x := FromBytes(Int8, make([]byte, count)).Reshape(shape...)
		v, err := x.View(w)
		if (err != nil) != (w.Validate(shape) != nil) {
			t.Fatalf("View says %v, Validate %v", err, w.Validate(shape))
		}
		if err != nil {
			return
		}
		if v.Count() != count {
			t.Fatalf("%d elements, want %d", v.Count(), count)
		}
		seen := make([]bool, count)
		for _, p := range places(x.Layout(), w) {
			seen[p] = true
		}
		if count > 0 && bytes.IndexByte(bytesOf(seen), 0) >= 0 {
			t.Fatalf("walk %v of %v misses elements", w, shape)
		}
	})
}

func bytesOf(bools []bool) []byte {
	b := make([]byte, len(bools))
	for i, x := range bools {
		if x {
			b[i] = 1
		}
	}
	return b
}
