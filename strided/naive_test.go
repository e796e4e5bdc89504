package strided

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"unsafe"
)

// seeded returns a generator whose seed is printed when the test fails, and is
// taken from MONEL_TEST_SEED when that is set.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s := os.Getenv("MONEL_TEST_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 0, 64); err != nil {
			t.Fatalf("MONEL_TEST_SEED: %v", err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with MONEL_TEST_SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// rounds is how often to repeat a random test: less often under the race
// detector, which is some ten times slower.
func rounds(n int) int {
	if raceEnabled {
		return n / 5
	}
	return n
}

// places lists, for each element in the order w, its place in the memory. It
// knows nothing of strides merged, planned or sorted: it counts indices up one by
// one and reads the walk's code as its documentation says.
func places(l Layout, w Walk) []int64 {
	if l.Count() == 0 {
		return nil
	}
	if w>>60 == 15 {
		return placesOfHalves(l, w)
	}
	n := l.NumDims()
	var walked []int // dimensions that the code counts
	for d := range n {
		if l.Size(d) > 1 {
			walked = append(walked, d)
		}
	}
	order := append([]int(nil), walked...)
	backwards := make([]bool, len(walked))
	if w != Logical {
		for i := range order {
			order[i] = walked[uint64(w)>>(4*i)&15]
			backwards[i] = uint64(w)>>(48+i)&1 == 1
		}
	}
	var out []int64
	loop := make([]int64, len(order))
	for {
		place := l.Offset()
		for i, d := range order {
			index := loop[i]
			if backwards[i] {
				index = l.Size(d) - 1 - index
			}
			place += index * l.Stride(d)
		}
		out = append(out, place)
		i := len(order) - 1
		for ; i >= 0; i-- {
			if loop[i]++; loop[i] < l.Size(order[i]) {
				break
			}
			loop[i] = 0
		}
		if i < 0 {
			return out
		}
	}
}

// placesOfHalves is places for a walk of halves: it walks the whole shape in both
// orders, leaves out what is in the other half, and takes a block of each in turn
// while both have one.
func placesOfHalves(l Layout, w Walk) []int64 {
	orders := [2]Walk{}
	n := int(w>>48) & 7
	for k := range orders {
		dims, backwards := make([]int, n), make([]bool, n)
		for i := range n {
			dims[i], backwards[i] = int(w>>(24*k+4*i))&7, w>>(24*k+4*i+3)&1 == 1
		}
		orders[k] = makeWalk(dims, backwards)
	}
	block := 1 << (w >> 51 & 63)
	c := cut(l.Shape(), orders[0], orders[1])
	// Another layout of the same shape tells the index in the dimension that is cut.
	strides := make([]int64, l.NumDims())
	strides[c] = 1
	index, err := NewLayout(Int8, l.Shape(), strides, 0)
	if err != nil {
		panic(err)
	}
	var half [2][]int64
	for k, order := range orders {
		at := places(index, order)
		for i, place := range places(l, order) {
			if second := at[i] >= l.Size(c)/2; second == (k == 1) {
				half[k] = append(half[k], place)
			}
		}
	}
	var out []int64
	for len(half[0]) >= block && len(half[1]) >= block {
		for k := range half {
			out, half[k] = append(out, half[k][:block]...), half[k][block:]
		}
	}
	return append(append(out, half[0]...), half[1]...)
}

// filled is n bytes at an address that is a multiple of 16, of random content.
func filled(rng *rand.Rand, n int64) []byte {
	words := make([]uint64, 2*(n/16+1))
	for i := range words {
		words[i] = rng.Uint64()
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n)
}

// randomTensor is a tensor of type dt over new memory of random content: a dense
// one of at most limit elements, then seen through random views.
func randomTensor(rng *rand.Rand, dt DType, limit int64) (Tensor, []byte) {
	nd := rng.IntN(7)
	shape := make([]int64, nd)
	count := int64(1)
	for i := range shape {
		most := max(1, limit/count)
		shape[i] = 1 + rng.Int64N(min(most, []int64{2, 3, 5, 9, 40, 300}[rng.IntN(6)]))
		count *= shape[i]
	}
	rng.Shuffle(nd, func(i, j int) { shape[i], shape[j] = shape[j], shape[i] })
	data := filled(rng, count*int64(dt.Size()))
	x := FromBytes(dt, data).Reshape(shape...)
	return randomViews(rng, x, limit), data
}

func randomViews(rng *rand.Rand, x Tensor, limit int64) Tensor {
	for range rng.IntN(6) {
		nd := len(x.Shape())
		if nd == 0 {
			break
		}
		d := rng.IntN(nd)
		n := x.Layout().Size(d)
		switch rng.IntN(8) {
		case 0, 1:
			x = x.Permute(rng.Perm(nd)...)
		case 2:
			lo := rng.Int64N(n)
			x = x.Slice(d, lo, lo+1+rng.Int64N(n-lo))
		case 3:
			x = x.Step(d, 1+rng.Int64N(3))
		case 4:
			x = x.Reverse(d)
		case 5:
			x = x.Select(d, rng.Int64N(n))
		case 6:
			if r := 1 + rng.Int64N(4); nd < 8 && x.Count()*r <= limit {
				x = x.Expand(append([]int64{r}, x.Shape()...)...)
			}
		case 7: // overlapping windows
			if k := 2 + rng.Int64N(3); nd < 8 && n >= k && x.Count()*k <= limit {
				l := x.Layout()
				s, st := l.Shape(), l.Strides()
				s[d] -= k - 1
				x = x.AsStrided(append(s, k), append(st, l.Stride(d)), l.Offset())
			}
		}
	}
	return x
}

// randomWalk is a walk that fits the layout.
func randomWalk(rng *rand.Rand, l Layout) Walk {
	if l.count == 0 {
		return Logical
	}
	n := 0
	for _, size := range l.shape {
		if size > 1 {
			n++
		}
	}
	other := func() Walk {
		backwards := make([]bool, n)
		for i := range backwards {
			backwards[i] = rng.IntN(4) == 0
		}
		return makeWalk(rng.Perm(n), backwards)
	}
	switch rng.IntN(4) {
	case 0:
		return Logical
	case 1:
		return l.MemoryWalk()
	case 2:
		if n <= maxWalkDims {
			return Halves(l.shape, l.MemoryWalk(), other(), 1+rng.Int64N(40))
		}
	}
	return other()
}

// randomRange is [lo,hi) within [0,count], often at an end.
func randomRange(rng *rand.Rand, count int64) (lo, hi int64) {
	lo, hi = rng.Int64N(count+1), rng.Int64N(count+1)
	switch rng.IntN(4) {
	case 0:
		lo, hi = 0, count
	case 1:
		lo = 0
	}
	return min(lo, hi), max(lo, hi)
}
