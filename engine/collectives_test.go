package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// collective is a collective as a test sees it: what its tensors look like, how it is
// called, and what comes out.
type collective struct {
	name    string
	reduces bool
	rooted  bool
	// Whether src and dst have a block per rank, or one.
	srcAll, dstAll bool
	// reads and writes say whose src and dst count.
	reads, writes func(rank, root int) bool
	call          func(c *engine.Comm, dst, src strided.Tensor, op engine.Op, root int) error
	start         func(c *engine.Comm, dst, src strided.Tensor, op engine.Op, root int) (*engine.Work, error)
	add           func(g *engine.Group, dst, src strided.Tensor, op engine.Op, root int) error
	// value is what element i of rank's dst becomes; in is an element of a rank's src.
	value func(k *collectiveCase, n, rank, i int) scalar
}

func everyRank(int, int) bool       { return true }
func onlyRoot(rank, root int) bool  { return rank == root }
func blockOf(k *collectiveCase) int { return int(product(k.block)) }
func (k *collectiveCase) String() string {
	return fmt.Sprintf("%s %v %v block %v big %v src %v dst %v root %d in place %v", k.of.name, k.dt, k.op, k.block, k.big, k.in, k.out, k.root, k.inPlace)
}

var collectives = []collective{
	{
		name: "all_gather", dstAll: true, reads: everyRank, writes: everyRank,
		call: func(c *engine.Comm, dst, src strided.Tensor, _ engine.Op, _ int) error {
			return c.AllGather(background, dst, src)
		},
		start: func(c *engine.Comm, dst, src strided.Tensor, _ engine.Op, _ int) (*engine.Work, error) {
			return c.StartAllGather(background, dst, src)
		},
		add:   func(g *engine.Group, dst, src strided.Tensor, _ engine.Op, _ int) error { return g.AllGather(dst, src) },
		value: func(k *collectiveCase, _, _, i int) scalar { return k.input(i/blockOf(k), i%blockOf(k)) },
	},
	{
		name: "reduce_scatter", reduces: true, srcAll: true, reads: everyRank, writes: everyRank,
		call: func(c *engine.Comm, dst, src strided.Tensor, op engine.Op, _ int) error {
			return c.ReduceScatter(background, dst, src, op)
		},
		start: func(c *engine.Comm, dst, src strided.Tensor, op engine.Op, _ int) (*engine.Work, error) {
			return c.StartReduceScatter(background, dst, src, op)
		},
		add: func(g *engine.Group, dst, src strided.Tensor, op engine.Op, _ int) error {
			return g.ReduceScatter(dst, src, op)
		},
		value: func(k *collectiveCase, n, rank, i int) scalar { return reduce(k.dt, k.op, n, rank*blockOf(k)+i) },
	},
	{
		name: "reduce", reduces: true, rooted: true, reads: everyRank, writes: onlyRoot,
		call: func(c *engine.Comm, dst, src strided.Tensor, op engine.Op, root int) error {
			return c.Reduce(background, dst, src, op, root)
		},
		start: func(c *engine.Comm, dst, src strided.Tensor, op engine.Op, root int) (*engine.Work, error) {
			return c.StartReduce(background, dst, src, op, root)
		},
		add: func(g *engine.Group, dst, src strided.Tensor, op engine.Op, root int) error {
			return g.Reduce(dst, src, op, root)
		},
		value: func(k *collectiveCase, n, _, i int) scalar { return reduce(k.dt, k.op, n, i) },
	},
	{
		name: "gather", rooted: true, dstAll: true, reads: everyRank, writes: onlyRoot,
		call: func(c *engine.Comm, dst, src strided.Tensor, _ engine.Op, root int) error {
			return c.Gather(background, dst, src, root)
		},
		start: func(c *engine.Comm, dst, src strided.Tensor, _ engine.Op, root int) (*engine.Work, error) {
			return c.StartGather(background, dst, src, root)
		},
		add: func(g *engine.Group, dst, src strided.Tensor, _ engine.Op, root int) error {
			return g.Gather(dst, src, root)
		},
		value: func(k *collectiveCase, _, _, i int) scalar { return k.input(i/blockOf(k), i%blockOf(k)) },
	},
	{
		name: "scatter", rooted: true, srcAll: true, reads: onlyRoot, writes: everyRank,
		call: func(c *engine.Comm, dst, src strided.Tensor, _ engine.Op, root int) error {
			return c.Scatter(background, dst, src, root)
		},
		start: func(c *engine.Comm, dst, src strided.Tensor, _ engine.Op, root int) (*engine.Work, error) {
			return c.StartScatter(background, dst, src, root)
		},
		add: func(g *engine.Group, dst, src strided.Tensor, _ engine.Op, root int) error {
			return g.Scatter(dst, src, root)
		},
		value: func(k *collectiveCase, _, rank, i int) scalar { return k.input(k.root, rank*blockOf(k)+i) },
	},
	{
		name: "alltoall", srcAll: true, dstAll: true, reads: everyRank, writes: everyRank,
		call: func(c *engine.Comm, dst, src strided.Tensor, _ engine.Op, _ int) error {
			return c.AllToAll(background, dst, src)
		},
		start: func(c *engine.Comm, dst, src strided.Tensor, _ engine.Op, _ int) (*engine.Work, error) {
			return c.StartAllToAll(background, dst, src)
		},
		add: func(g *engine.Group, dst, src strided.Tensor, _ engine.Op, _ int) error { return g.AllToAll(dst, src) },
		value: func(k *collectiveCase, _, rank, i int) scalar {
			return k.input(i/blockOf(k), rank*blockOf(k)+i%blockOf(k))
		},
	},
}

// collectiveCase is one cell of their matrix.
type collectiveCase struct {
	of      *collective
	dt      strided.DType
	op      engine.Op
	block   []int64  // shape of what has a block
	big     string   // how the shape of what has one per rank follows: stacked, joined or flat
	in, out []string // layout by rank, repeated
	root    int
	inPlace bool
	started bool // begin and wait, rather than call
}

// input is element i of a rank's src.
func (k *collectiveCase) input(rank, i int) scalar { return input(k.dt, k.op, rank, i) }

// shape is that of a tensor with a block, or one per rank.
func (k *collectiveCase) shape(n int, all bool) []int64 {
	switch {
	case !all:
		return k.block
	case k.big == "flat":
		return []int64{int64(n) * product(k.block)}
	case k.big == "joined":
		joined := slices.Clone(k.block)
		joined[0] *= int64(n)
		return joined
	}
	return append([]int64{int64(n)}, k.block...)
}

// blockIn is rank's block in all.
func blockIn(all placed, n, rank int, block []int64) placed {
	t := all.tensor.Reshape(append([]int64{int64(n)}, block...)...).Select(0, int64(rank))
	return placed{name: all.name, tensor: t, storage: all.storage, there: all.there, at: offsets(t.Layout(), 64)}
}

func (k *collectiveCase) run(t testing.TB, w world) {
	t.Helper()
	w.must(t, func(rank int, c *engine.Comm) error {
		if err := k.runRank(forRank(t, rank), c, len(w)); err != nil {
			return fmt.Errorf("%v: %w", k, err)
		}
		return nil
	})
}

func (k *collectiveCase) runRank(t testing.TB, c *engine.Comm, n int) error {
	dst, src, check, err := k.prepare(t, c, n)
	if err == nil {
		err = k.make(c, dst, src)
	}
	if err != nil {
		return err
	}
	return check()
}

// prepare makes a rank's tensors, and what checks them after the call.
func (k *collectiveCase) prepare(t testing.TB, c *engine.Comm, n int) (_, _ strided.Tensor, check func() error, err error) {
	rank := c.Rank()
	reads, writes := k.of.reads(rank, k.root), k.of.writes(rank, k.root)
	var src, dst placed
	in, out := k.in[rank%len(k.in)], k.out[rank%len(k.out)]
	both := k.inPlace && reads && writes
	switch {
	case both && k.of.srcAll == k.of.dstAll:
		src = layoutNamed(out).place(t, k.dt, k.shape(n, k.of.srcAll))
		dst = src
	case both && k.of.dstAll:
		dst = layoutNamed(out).place(t, k.dt, k.shape(n, true))
		src = blockIn(dst, n, rank, k.block)
	case both:
		src = layoutNamed(out).place(t, k.dt, k.shape(n, true))
		dst = blockIn(src, n, rank, k.block)
	default:
		if reads {
			src = layoutNamed(in).place(t, k.dt, k.shape(n, k.of.srcAll))
		}
		if writes {
			dst = layoutNamed(out).place(t, k.dt, k.shape(n, k.of.dstAll))
		}
	}
	for _, p := range []placed{src, dst} {
		if err := p.tensor.Err(); err != nil && !p.tensor.IsZero() {
			return dst.tensor, src.tensor, nil, err
		}
	}
	if reads {
		src.fill(func(i int) scalar { return k.input(rank, i) })
	}
	want := func(i int) scalar { return k.of.value(k, n, rank, i) }
	given := func(i int) scalar { return k.input(rank, i) }
	if both && k.of.srcAll && !k.of.dstAll {
		// The rest of src is as it was.
		first, block := rank*blockOf(k), blockOf(k)
		return dst.tensor, src.tensor, func() error {
			return src.check(func(i int) scalar {
				if i >= first && i < first+block {
					return want(i - first)
				}
				return given(i)
			})
		}, nil
	}
	return dst.tensor, src.tensor, func() error {
		var errs []error
		if writes {
			errs = append(errs, dst.check(want))
		}
		if reads && !both {
			errs = append(errs, src.check(given))
		}
		return errors.Join(errs...)
	}, nil
}

func (k *collectiveCase) make(c *engine.Comm, dst, src strided.Tensor) error {
	if !k.started {
		return k.of.call(c, dst, src, k.op, k.root)
	}
	work, err := k.of.start(c, dst, src, k.op, k.root)
	if err != nil {
		return err
	}
	return work.Wait(background)
}

// seeded returns a generator whose seed is logged, and taken from MONEL_TEST_SEED if
// that is set.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("MONEL_TEST_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("replay with MONEL_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// canSplit reports whether every layout named holds a shape that can be split into
// blocks without a copy, as in-place calls need.
func (k *collectiveCase) canSplit(t testing.TB, n int) bool {
	for _, name := range k.out {
		if k.of.srcAll != k.of.dstAll && blockIn(layoutNamed(name).place(t, k.dt, k.shape(n, true)), n, 0, k.block).tensor.Err() != nil {
			return false
		}
	}
	return true
}

// randomCase is a cell drawn from the whole matrix.
func randomCase(t testing.TB, rng *rand.Rand, n int, chunk int) *collectiveCase {
	pick := func(names []string) []string {
		if rng.IntN(3) == 0 {
			first := rng.IntN(len(mixedLayouts))
			return append(slices.Clone(mixedLayouts[first:]), mixedLayouts[:first]...)
		}
		return []string{layouts[rng.IntN(len(layouts))].name}
	}
	dt := dtype.All()[rng.IntN(len(dtype.All()))]
	shapes := shapesFor(int64(chunk / dt.Size()))
	k := &collectiveCase{
		of: &collectives[rng.IntN(len(collectives))], dt: dt, op: dtype.Ops()[rng.IntN(len(dtype.Ops()))],
		block: shapes[rng.IntN(len(shapes))], big: []string{"stacked", "joined", "flat"}[rng.IntN(3)],
		in: pick(nil), out: pick(nil), root: rng.IntN(n), inPlace: rng.IntN(2) == 0, started: rng.IntN(4) == 0,
	}
	if !k.of.reduces {
		k.op = engine.Max
	}
	if k.inPlace && !k.canSplit(t, n) {
		k.big = "stacked"
		k.inPlace = k.canSplit(t, n)
	}
	return k
}

// TestCollectivesMatrix draws cells of collectives x dtypes x operators x layouts x
// shapes x world sizes, in and out of place, on every transport.
func TestCollectivesMatrix(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{1, 2, 3, 4, 5, 7, 8} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				rng := seeded(t)
				cells := map[string]int{"inproc": 2400, "tcp": 500, "shm": 800, "rdma": 80}[name] / size
				if raceDetector && os.Getenv("MONEL_FULL_RACE") == "" {
					cells /= 5
				}
				w := newWorld(t, size, engine.Config{ChunkBytes: smallChunk})
				// A hop so dear that few messages are better, and so cheap that many are.
				dear := newWorld(t, size, engine.Config{ChunkBytes: 4096, HopBytes: 1 << 20})
				for range cells {
					randomCase(t, rng, size, smallChunk).run(t, w)
					randomCase(t, rng, size, smallChunk).run(t, dear)
				}
			})
		}
	}
}

// TestCollectivesLarge runs many chunks, large enough to be sent from and received into
// the tensors' own memory.
func TestCollectivesLarge(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{2, 3, 4} {
			if raceDetector && size != 3 {
				continue
			}
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				w := newWorld(t, size, engine.Config{ChunkBytes: 32 << 10})
				for i := range collectives {
					of := &collectives[i]
					l := []string{"contiguous", "transpose", "slice"}[(i+size)%3]
					k := collectiveCase{of: of, dt: dtype.Float32, op: engine.Sum, block: []int64{3, 20, 401}, big: "stacked", in: []string{l}, out: []string{l}, root: size - 1}
					k.run(t, w)
					if raceDetector {
						continue
					}
					k.inPlace = true
					k.run(t, w)
					k.in, k.out, k.inPlace = mixedLayouts[1:], mixedLayouts, false
					k.run(t, w)
				}
			})
		}
	}
}

// TestBarrier: nobody leaves before everybody has come.
func TestBarrier(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{1, 2, 3, 4, 5, 7, 8} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				w := newWorld(t, size, engine.Config{})
				for late := range size {
					came := make(chan struct{})
					w.must(t, func(rank int, c *engine.Comm) error {
						if rank == late {
							time.Sleep(2 * time.Millisecond)
							close(came)
						}
						if err := c.Barrier(background); err != nil {
							return err
						}
						select {
						case <-came:
							return nil
						default:
							return errors.New("left before the last one came")
						}
					})
				}
			})
		}
	}
}
