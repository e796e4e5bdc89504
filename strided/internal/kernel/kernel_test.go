package kernel

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

func ptr(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

// newRand logs the seed that replays a failure.
func newRand(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// special are bit patterns around which kernels go wrong; narrower types take
// their low bits.
var special = []uint64{
	0, 1, 2, 0x7e, 0x7f, 0x80, 0x81, 0x7c, 0xfc, 0x7b, 0xfb, 0xfe, 0xff,
	0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7c01, 0x7e00, 0xfe00, 0xffff, 0x3c00,
	0x7f7f, 0x7f80, 0xff80, 0x7f81, 0x7fc0, 0xffc0, 0x007f, 0x0080, 0x3f80,
	0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000,
	0x7f800001, 0xffc00001, 0x7fffffff, 0xffffffff, 0x3f800000, 0x33800000,
	0x8000000000000000, 0x8000000000000001, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff,
	0xffefffffffffffff, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff0000000000001, 0xfff8000000000001,
	0x7fffffffffffffff, 0xffffffffffffffff, 0x3ff0000000000000, 0x100000000, 0xffffffff00000000,
}

// fill mixes random bits, special patterns and values close to each other, so
// that sums of floats round and cancel as well as absorb.
func fill(rng *rand.Rand, dt dtype.DType, b []byte) {
	for i := range len(b) / dt.Size() {
		v := rng.Uint64()
		switch rng.IntN(4) {
		case 0:
			v = special[rng.IntN(len(special))]
		case 1:
			v = nearOne[dt] ^ v&nearMask[dt]
		}
		store(dt, b, i, v)
	}
}

var (
	nearOne = map[dtype.DType]uint64{dtype.Float16: 0x3c00, dtype.BFloat16: 0x3f80, dtype.Float8E4M3: 0x38,
		dtype.Float8E5M2: 0x3c, dtype.Float32: 0x3f800000, dtype.Float64: 0x3ff0000000000000}
	nearMask = map[dtype.DType]uint64{dtype.Float16: 0x9fff, dtype.BFloat16: 0x85ff, dtype.Float8E4M3: 0x9f,
		dtype.Float8E5M2: 0x8f, dtype.Float32: 0x87ffffff, dtype.Float64: 0x81ffffffffffffff}
)

// guarded is a byte slice between two canaries.
type guarded struct{ all, b []byte }

const canary = 0xa5

func guard(offset, n int) guarded {
	all := bytes.Repeat([]byte{canary}, 64+offset+n+64)
	return guarded{all, all[64+offset : 64+offset+n : 64+offset+n]}
}

func (g guarded) check(t *testing.T, what string) {
	t.Helper()
	before := len(g.all) - len(g.b) - 64
	for i, c := range g.all {
		if (i < before || i >= before+len(g.b)) && c != canary {
			t.Fatalf("%s: wrote outside the output, at byte %d", what, i-before)
		}
	}
}

func sizes() []int {
	var ns []int
	for n := range 71 {
		ns = append(ns, n)
	}
	return append(ns, 127, 128, 129, 255, 257, 1000, 1023, 1025, 4099)
}

// TestReduceLarge runs the main loops for long, in place.
func TestReduceLarge(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		rng := newRand(t)
		eachKernel(t, func(t *testing.T, op dtype.Op, dt dtype.DType) {
			checkReduce(t, rng, op, dt, 20011, "a-", [3]int{3, 17, 0}, 0)
			checkReduce(t, rng, op, dt, 20011, "bo", [3]int{0, 32, 5}, 3)
		})
	})
}

// TestDivisor32 compares division by multiplication with division, where it is
// likeliest to go wrong: next to multiples of the divisor.
func TestDivisor32(t *testing.T) {
	rng := newRand(t)
	for range 200_000 {
		ranks := 2 + int(rng.Uint64()>>(31+rng.IntN(32)))
		v := rng.Uint32()
		multiple := uint32(uint64(v) / uint64(ranks) * uint64(ranks))
		for _, v := range []uint32{v, multiple, multiple - 1, 0, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
			if got, want := newDivisor32(ranks).quotient(v), uint32(uint64(v)/uint64(ranks)); got != want {
				t.Fatalf("%d/%d = %d, want %d", v, ranks, got, want)
			}
		}
	}
}

func eachKernel(t *testing.T, f func(t *testing.T, op dtype.Op, dt dtype.DType)) {
	for _, dt := range dtype.All() {
		for _, op := range dtype.Ops() {
			t.Run(fmt.Sprintf("%v/%v", dt, op), func(t *testing.T) { f(t, op, dt) })
		}
	}
}

// aliases are the ways in which outputs may coincide with operands: 'o' is memory
// of its own, '-' no output at all.
var aliases = []string{"o-", "a-", "b-", "oo", "ao", "oa", "bo", "ob", "ab", "ba"}

func TestReduce(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		rng := newRand(t)
		eachKernel(t, func(t *testing.T, op dtype.Op, dt dtype.DType) {
			for _, n := range sizes() {
				for _, alias := range aliases[:3] {
					offsets := [3]int{rng.IntN(33), rng.IntN(33), rng.IntN(33)}
					checkReduce(t, rng, op, dt, n, alias, offsets, 0)
				}
			}
		})
	})
}

func TestReduceFinish(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		rng := newRand(t)
		eachKernel(t, func(t *testing.T, op dtype.Op, dt dtype.DType) {
			for _, n := range sizes() {
				alias := aliases[rng.IntN(len(aliases))]
				if n < 8 || n > 2000 {
					for _, alias := range aliases {
						checkReduce(t, rng, op, dt, n, alias, [3]int{}, 1+n%3)
					}
				}
				ranks := []int{1, 2, 3, 4, 7, 8, 1000, 4096, 70000}[rng.IntN(9)]
				offsets := [3]int{rng.IntN(33), rng.IntN(33), rng.IntN(33)}
				checkReduce(t, rng, op, dt, n, alias, offsets, ranks)
			}
		})
	})
}

// checkReduce runs one kernel against the reference; ranks 0 asks for Reduce,
// otherwise for ReduceFinish.
func checkReduce(t *testing.T, rng *rand.Rand, op dtype.Op, dt dtype.DType, n int, alias string, offsets [3]int, ranks int) {
	t.Helper()
	bytes := n * dt.Size()
	a, b := guard(offsets[0], bytes), guard(offsets[1], bytes)
	fill(rng, dt, a.b)
	fill(rng, dt, b.b)
	checkReduceOn(t, op, dt, a, b, n, alias, offsets[2], ranks)
}

func checkReduceOn(t *testing.T, op dtype.Op, dt dtype.DType, a, b guarded, n int, alias string, offset, ranks int) {
	t.Helper()
	x, y := slices.Clone(a.b), slices.Clone(b.b)
	var outs [2]guarded
	for i, c := range alias {
		switch c {
		case 'a':
			outs[i] = a
		case 'b':
			outs[i] = b
		case 'o':
			outs[i] = guard(offset, len(a.b))
		}
	}
	what := fmt.Sprintf("%v %v n=%d alias=%q offset=%d ranks=%d", op, dt, n, alias, offset, ranks)
	if ranks == 0 {
		Reduce(op, dt, ptr(outs[0].b), ptr(a.b), ptr(b.b), n)
	} else {
		ReduceFinish(op, dt, ptr(outs[0].b), ptr(outs[1].b), ptr(a.b), ptr(b.b), n, ranks)
		if op != dtype.Avg {
			ranks = 0
		}
	}
	for _, out := range outs {
		if out.b == nil {
			continue
		}
		out.check(t, what)
		for i := range n {
			ai, bi := load(dt, x, i), load(dt, y, i)
			got, want := load(dt, out.b, i), reference(op, dt, ai, bi, ranks)
			if !same(op, dt, got, want) {
				t.Fatalf("%s: [%d] %#x op %#x = %#x, want %#x", what, i, ai, bi, got, want)
			}
		}
	}
	for _, in := range []struct {
		g    guarded
		was  []byte
		name rune
	}{{a, x, 'a'}, {b, y, 'b'}} {
		if !slices.Contains([]rune(alias), in.name) && !slices.Equal(in.g.b, in.was) {
			t.Fatalf("%s: operand %c changed", what, in.name)
		}
	}
}

// TestReduceBeyondCache: operands so large that other kernels take over give the
// bits of the same operands taken in pieces.
func TestReduceBeyondCache(t *testing.T) {
	const bytes, piece = 16<<20 + 24, 64 << 10
	a, b := ones(bytes), ones(bytes)
	for i := range b {
		b[i] ^= byte(i >> 3)
	}
	whole, pieces := make([]byte, bytes), make([]byte, bytes)
	forEachTier(t, func(t *testing.T) {
		for _, dt := range []dtype.DType{dtype.Int8, dtype.Int32, dtype.Uint64, dtype.Float16, dtype.Float32, dtype.Float64} {
			for _, op := range []dtype.Op{dtype.Sum, dtype.Max} {
				Reduce(op, dt, ptr(whole), ptr(a), ptr(b), bytes/dt.Size())
				for at := 0; at < bytes; at += piece {
					Reduce(op, dt, ptr(pieces[at:]), ptr(a[at:]), ptr(b[at:]), min(piece, bytes-at)/dt.Size())
				}
				if !slices.Equal(whole, pieces) {
					t.Fatalf("%v %v", op, dt)
				}
			}
		}
	})
}
