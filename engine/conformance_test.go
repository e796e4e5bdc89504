package engine_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// smallChunk makes loops and ragged ends of tensors of a few hundred elements.
const smallChunk = 256

// allReduceCase is one cell of the matrix.
type allReduceCase struct {
	dt      strided.DType
	op      engine.Op
	shape   []int64
	in, out []string // layout by rank, repeated; out nil means in place
}

func (k allReduceCase) String() string {
	return fmt.Sprintf("%v %v %v src %v dst %v", k.dt, k.op, k.shape, k.in, k.out)
}

// run performs the case and checks every element of every rank, the gaps
// between them, and that an input which isn't the output is untouched.
func (k allReduceCase) run(t testing.TB, w world) {
	t.Helper()
	w.must(t, func(rank int, c *engine.Comm) error {
		t := forRank(t, rank)
		src := layoutNamed(k.in[rank%len(k.in)]).place(t, k.dt, k.shape)
		src.fill(func(i int) scalar { return input(k.dt, k.op, rank, i) })
		dst := src
		if k.out != nil {
			dst = layoutNamed(k.out[rank%len(k.out)]).place(t, k.dt, k.shape)
		}
		if err := c.AllReduce(background, dst.tensor, src.tensor, k.op); err != nil {
			return fmt.Errorf("%v: %w", k, err)
		}
		var errs []error
		if k.out != nil {
			errs = append(errs, src.check(func(i int) scalar { return input(k.dt, k.op, rank, i) }))
		}
		errs = append(errs, dst.check(func(i int) scalar { return reduce(k.dt, k.op, len(w), i) }))
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("%v: %w", k, err)
		}
		return nil
	})
}

// broadcastCase is one cell of broadcast's matrix.
type broadcastCase struct {
	dt      strided.DType
	shape   []int64
	layouts []string // by rank, repeated
	root    int
	inPlace bool // on the root
}

func (k broadcastCase) run(t testing.TB, w world) {
	t.Helper()
	w.must(t, func(rank int, c *engine.Comm) error {
		t := forRank(t, rank)
		dst := layoutNamed(k.layouts[rank%len(k.layouts)]).place(t, k.dt, k.shape)
		src := dst
		if rank == k.root {
			if !k.inPlace {
				src = layoutNamed(k.layouts[(rank+1)%len(k.layouts)]).place(t, k.dt, k.shape)
			}
			src.fill(func(i int) scalar { return input(k.dt, engine.Max, k.root, i) })
		}
		if err := c.Broadcast(background, dst.tensor, src.tensor, k.root); err != nil {
			return fmt.Errorf("%+v: %w", k, err)
		}
		if err := dst.check(func(i int) scalar { return input(k.dt, engine.Max, k.root, i) }); err != nil {
			return fmt.Errorf("%+v: %w", k, err)
		}
		return nil
	})
}

// shapesFor are the shapes of the small matrix, given how many elements a
// chunk holds: nothing, one, odd, one element either side of a chunk, and
// several loops of several ranks with a ragged end.
func shapesFor(chunk int64) [][]int64 {
	return [][]int64{
		{0}, {3, 0, 2}, {1}, {1, 1}, {7}, {chunk - 1}, {chunk}, {chunk + 1}, {3, 5, 7}, {2, 3, 4, 5}, {5, chunk + 3},
	}
}

// thin takes the cells of a matrix one after the other. Under the race detector,
// which makes them many times slower and looks for other mistakes, it lets every
// fifth through; MONEL_FULL_RACE=1 lets all.
type thin int

func (n *thin) skip() bool {
	*n++
	return raceDetector && os.Getenv("MONEL_FULL_RACE") == "" && *n%5 != 0
}

// skipIn is skip for a world of a size of which every third cell is enough, since
// there is another like it: of 7 ranks beside 5, and 8 beside 4.
func (n *thin) skipIn(size int) bool { return n.skip() || size >= 7 && int(*n)%3 != size%3 }

// oneOp tells for each dtype a single operator: where none matters, as in a world of one
// rank, which only copies.
func oneOp(dt strided.DType, op engine.Op) bool {
	return op == dtype.Ops()[int(dt)%len(dtype.Ops())]
}

var worldSizes = []int{1, 2, 3, 4, 5, 7, 8}

// TestAllReduceMatrix is dtypes x ops x layouts x world sizes x sizes, in and
// out of place, each by the ring and by the algorithm for its size in turns.
func TestAllReduceMatrix(t *testing.T) {
	for _, size := range worldSizes {
		t.Run(fmt.Sprintf("np=%d", size), func(t *testing.T) {
			t.Parallel()
			byRing := localWorld(t, size, engine.Config{ChunkBytes: smallChunk, Algorithm: "ring"})
			bySize := localWorld(t, size, engine.Config{ChunkBytes: smallChunk})
			var cells thin
			for _, dt := range dtype.All() {
				for _, op := range dtype.Ops() {
					if size == 1 && !oneOp(dt, op) {
						continue
					}
					for n, l := range layouts {
						other := layouts[(n+1)%len(layouts)].name
						for _, shape := range shapesFor(smallChunk / int64(dt.Size())) {
							if cells.skipIn(size) {
								continue
							}
							w, v := byRing, bySize
							if cells%2 == 0 {
								w, v = v, w
							}
							allReduceCase{dt: dt, op: op, shape: shape, in: []string{l.name}}.run(t, w)
							allReduceCase{dt: dt, op: op, shape: shape, in: []string{other}, out: []string{l.name}}.run(t, v)
						}
					}
				}
			}
		})
	}
}

// mixedLayouts gives every rank a layout of its own.
var mixedLayouts = []string{"transpose", "contiguous", "channels_last", "slice", "reverse", "column", "steps"}

// twoOrders are layouts with two walking orders, which ranks follow by halves.
var twoOrders = []string{"transpose", "contiguous"}

// TestMixedLayoutsMatrix has ranks lay their tensors out differently: in two
// orders, by the remembered decision about these, and in all of them.
func TestMixedLayoutsMatrix(t *testing.T) {
	for _, size := range worldSizes {
		t.Run(fmt.Sprintf("np=%d", size), func(t *testing.T) {
			t.Parallel()
			w := localWorld(t, size, engine.Config{ChunkBytes: smallChunk})
			var cells thin
			for _, dt := range dtype.All() {
				for _, op := range dtype.Ops() {
					if size == 1 && !oneOp(dt, op) {
						continue
					}
					for _, shape := range shapesFor(smallChunk / int64(dt.Size())) {
						if cells.skipIn(size) {
							continue
						}
						allReduceCase{dt: dt, op: op, shape: shape, in: twoOrders}.run(t, w)
						allReduceCase{dt: dt, op: op, shape: shape, in: mixedLayouts, out: twoOrders}.run(t, w)
						allReduceCase{dt: dt, op: op, shape: shape, in: mixedLayouts[2:], out: mixedLayouts}.run(t, w)
					}
				}
			}
		})
	}
}

func TestBroadcastMatrix(t *testing.T) {
	for _, size := range worldSizes {
		t.Run(fmt.Sprintf("np=%d", size), func(t *testing.T) {
			t.Parallel()
			w := localWorld(t, size, engine.Config{ChunkBytes: smallChunk})
			var cells thin
			for _, dt := range dtype.All() {
				for root := range size {
					if dt != dtype.Float32 && root != int(dt)%size {
						continue // trees do not depend on the dtype
					}
					for _, shape := range shapesFor(smallChunk / int64(dt.Size())) {
						if cells.skipIn(size) {
							continue
						}
						for _, l := range layouts {
							broadcastCase{dt, shape, []string{l.name}, root, true}.run(t, w)
						}
						broadcastCase{dt, shape, mixedLayouts, root, false}.run(t, w)
					}
				}
			}
		})
	}
}

// TestLargeTensors runs several MiB through every transport with the default
// chunk size, where links fill up.
func TestLargeTensors(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{2, 3, 4} {
			if raceDetector && size != 3 {
				continue // a third of them takes a minute already
			}
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				w := newWorld(t, size, engine.Config{})
				shape := []int64{4, 48, 61, 37} // 3.5 MB of float64
				for n, l := range layouts {
					dt := []strided.DType{dtype.Float64, dtype.BFloat16}[(n+size)%2]
					allReduceCase{dt: dt, op: engine.Sum, shape: shape, in: []string{l.name}}.run(t, w)
					broadcastCase{dt, shape, []string{l.name}, size - 1, true}.run(t, w)
				}
				allReduceCase{dt: dtype.Float64, op: engine.Max, shape: shape, in: twoOrders}.run(t, w)
				allReduceCase{dt: dtype.Float64, op: engine.Avg, shape: shape, in: mixedLayouts, out: mixedLayouts[1:]}.run(t, w)
				broadcastCase{dtype.BFloat16, shape, mixedLayouts, 0, false}.run(t, w)
				// The default chunk size, and an element either side of it.
				for _, n := range []int64{64<<10 - 1, 64 << 10, 64<<10 + 1} {
					for _, l := range []string{"contiguous", "column"} {
						allReduceCase{dt: dtype.Float32, op: engine.Sum, shape: []int64{n}, in: []string{l}}.run(t, w)
						broadcastCase{dtype.Float32, []int64{n}, []string{l}, 0, false}.run(t, w)
					}
				}
			})
		}
	}
}

// TestWireMatrix is a slice of the matrix over the wires between processes.
func TestWireMatrix(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range worldSizes {
			if name == "inproc" || size == 1 {
				continue
			}
			if raceDetector && size > 5 && os.Getenv("MONEL_FULL_RACE") == "" {
				continue // half of the time, and goroutines share what they share in others
			}
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				w := newWorld(t, size, engine.Config{ChunkBytes: smallChunk})
				for _, dt := range dtype.All() {
					op := dtype.Ops()[int(dt)%len(dtype.Ops())]
					for n, shape := range shapesFor(smallChunk / int64(dt.Size())) {
						l := layouts[(n+int(dt))%len(layouts)].name
						allReduceCase{dt: dt, op: op, shape: shape, in: []string{l}}.run(t, w)
						allReduceCase{dt: dt, op: op, shape: shape, in: mixedLayouts, out: mixedLayouts[1:]}.run(t, w)
						broadcastCase{dt, shape, []string{l}, n % size, true}.run(t, w)
						broadcastCase{dt, shape, mixedLayouts, n % size, false}.run(t, w)
					}
				}
			})
		}
	}
}
