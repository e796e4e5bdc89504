package kernel

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestCopy(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		rng := newRand(t)
		for _, n := range append(sizes(), 65536, 1<<20+13, 9<<20+77) {
			for range 3 {
				src := randomBytes(rng, n+rng.IntN(40))
				src = src[len(src)-n:]
				dst := guard(rng.IntN(70), n)
				Copy(ptr(dst.b), ptr(src), n)
				dst.check(t, fmt.Sprint("n=", n))
				if !bytes.Equal(dst.b, src) {
					t.Fatalf("n=%d: copy differs", n)
				}
			}
		}
	})
}

// strideCases are multiples of the element size and odd strides alike.
func strideCases(es int) []int {
	return []int{0, es, 2 * es, 3 * es, 4 * es, 5 * es, 8 * es, 16 * es, 17 * es, es + 1, 1000, -es, -2 * es, -3 * es, -es - 3}
}

func TestGatherScatter(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		rng := newRand(t)
		for _, es := range []int{1, 2, 3, 4, 8, 12, 16} {
			for _, stride := range strideCases(es) {
				for _, n := range append(sizes()[:71], 129, 1000) {
					checkGather(t, rng, n, es, stride)
					if stride >= es || -stride >= es {
						checkScatter(t, rng, n, es, stride)
					}
				}
			}
		}
	})
}

// span is memory that holds n elements exactly, and the offset of the first.
func span(n, es, stride int) (size, first int) {
	if n == 0 {
		return 0, 0
	}
	if stride < 0 {
		return (n-1)*-stride + es, (n - 1) * -stride
	}
	return (n-1)*stride + es, 0
}

func checkGather(t *testing.T, rng *rand.Rand, n, es, stride int) {
	t.Helper()
	size, first := span(n, es, stride)
	// The source fills its allocation: reading past it faults under checkptr or
	// changes nothing, so the result is what counts.
	src := randomBytes(rng, size)
	dst := guard(rng.IntN(33), n*es)
	if n > 0 {
		Gather(ptr(dst.b), unsafe.Pointer(&src[first]), n, es, int64(stride))
	}
	what := fmt.Sprintf("gather n=%d es=%d stride=%d", n, es, stride)
	dst.check(t, what)
	for i := range n {
		at := first + i*stride
		if !bytes.Equal(dst.b[i*es:(i+1)*es], src[at:at+es]) {
			t.Fatalf("%s: element %d", what, i)
		}
	}
}

func checkScatter(t *testing.T, rng *rand.Rand, n, es, stride int) {
	t.Helper()
	size, first := span(n, es, stride)
	src := randomBytes(rng, n*es)
	dst := guard(rng.IntN(33), size)
	want := slices.Clone(dst.all)
	at := len(dst.all) - 64 - size + first
	for i := range n {
		copy(want[at+i*stride:], src[i*es:(i+1)*es])
	}
	if n > 0 {
		Scatter(unsafe.Pointer(&dst.b[first]), ptr(src), n, es, int64(stride))
	}
	if !bytes.Equal(dst.all, want) {
		t.Fatalf("scatter n=%d es=%d stride=%d: wrong element or gap", n, es, stride)
	}
}

func TestTranspose(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		rng := newRand(t)
		for _, es := range []int{1, 2, 4, 8, 16} {
			edges := []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 63, 64, 65, 100}
			for _, rows := range edges {
				for _, cols := range edges {
					checkTranspose(t, rng, rows, cols, es, rng.IntN(3)*rng.IntN(50), rng.IntN(3)*rng.IntN(50), rng.IntN(4))
				}
			}
		}
	})
}

// checkTranspose pads the leading dimensions by the given bytes; signs bit 0
// makes the destination's stride negative, bit 1 the source's.
func checkTranspose(t *testing.T, rng *rand.Rand, rows, cols, es, padDst, padSrc, signs int) {
	t.Helper()
	drs, scs := cols*es+padDst, rows*es+padSrc
	srcSize, dstSize := 0, 0
	if rows > 0 && cols > 0 {
		srcSize, dstSize = (cols-1)*scs+rows*es, (rows-1)*drs+cols*es
	}
	src := randomBytes(rng, srcSize)
	dst := guard(rng.IntN(33), dstSize)
	for i := range dst.b {
		dst.b[i] = canary
	}
	want := slices.Clone(dst.all)
	before := len(dst.all) - 64 - dstSize
	d0, s0 := 0, 0
	if signs&1 != 0 && rows > 0 {
		d0, drs = (rows-1)*drs, -drs
	}
	if signs&2 != 0 && cols > 0 {
		s0, scs = (cols-1)*scs, -scs
	}
	for r := range rows {
		for c := range cols {
			s := s0 + r*es + c*scs
			copy(want[before+d0+r*drs+c*es:], src[s:s+es])
		}
	}
	var dp, sp unsafe.Pointer
	if srcSize > 0 {
		dp, sp = unsafe.Pointer(&dst.b[d0]), unsafe.Pointer(&src[s0])
	}
	if rng.IntN(2) == 0 {
		Transpose(dp, int64(drs), sp, int64(scs), rows, cols, es)
	} else {
		TransposePart(dp, int64(drs), sp, int64(scs), rows, cols, es, bypassBytes)
	}
	if !bytes.Equal(dst.all, want) {
		t.Fatalf("transpose %d×%d es=%d strides %d,%d: wrong element or gap", rows, cols, es, drs, scs)
	}
}

func TestCopyRows(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		rng := newRand(t)
		for _, n := range append(sizes()[1:71], 96, 127, 128, 129, 192, 256, 1000, 4095, 5000) {
			for _, rows := range []int{0, 1, 2, 3, 17, 40} {
				for signs := range 4 {
					checkCopyRows(t, rng, rows, n, rng.IntN(2)*rng.IntN(200), rng.IntN(2)*rng.IntN(200), signs)
				}
				checkCopyRows(t, rng, rows, n, 64*rng.IntN(3)+(64-n%64)%64, rng.IntN(200), 0)
			}
		}
	})
}

// checkCopyRows copies rows with the given gaps; signs are those of
// checkTranspose.
func checkCopyRows(t *testing.T, rng *rand.Rand, rows, n, padDst, padSrc, signs int) {
	t.Helper()
	if n == 0 {
		return
	}
	dp, sp := n+padDst, n+padSrc
	size := func(pitch int) int {
		if rows == 0 {
			return 0
		}
		return (rows-1)*pitch + n
	}
	src := randomBytes(rng, size(sp))
	dst := guard(rng.IntN(2)*rng.IntN(33), size(dp))
	d0, s0 := 0, 0
	if signs&1 != 0 && rows > 0 {
		d0, dp = (rows-1)*dp, -dp
	}
	if signs&2 != 0 && rows > 0 {
		s0, sp = (rows-1)*sp, -sp
	}
	want := slices.Clone(dst.all)
	first := len(dst.all) - 64 - len(dst.b) + d0
	for r := range rows {
		copy(want[first+r*dp:], src[s0+r*sp:s0+r*sp+n])
	}
	var to, from unsafe.Pointer
	if rows > 0 && n > 0 {
		to, from = unsafe.Pointer(&dst.b[d0]), unsafe.Pointer(&src[s0])
	}
	CopyRows(to, int64(dp), from, int64(sp), rows, n, rng.Int64N(2)*bypassBytes)
	if !bytes.Equal(dst.all, want) {
		t.Fatalf("%d rows of %d bytes, pitches %d,%d: wrong byte or gap", rows, n, dp, sp)
	}
}
