package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestCollectivesRefuse: a rank with bad arguments gets an ArgumentError, the others
// hear of it, and all go on.
func TestCollectivesRefuse(t *testing.T) {
	f := func(n int) strided.Tensor { return strided.Of(make([]float32, n)) }
	whole := f(12)
	cases := []struct {
		name, argument string
		is             error
		call           func(c *engine.Comm) error
	}{
		{"all_gather: counts", "dst", strided.ErrShape, func(c *engine.Comm) error { return c.AllGather(background, f(11), f(4)) }},
		{"all_gather: another rank's part", "dst", engine.ErrOverlap, func(c *engine.Comm) error { return c.AllGather(background, whole, whole.Slice(0, 0, 4)) }},
		{"all_gather: expanded output", "dst", engine.ErrOverlap, func(c *engine.Comm) error {
			return c.AllGather(background, f(1).Expand(12), f(4))
		}},
		{"all_gather: dtypes", "dst", engine.ErrInvalidArgument, func(c *engine.Comm) error {
			return c.AllGather(background, strided.Of(make([]int32, 12)), f(4))
		}},
		{"all_gather: nothing", "src", strided.ErrNilMemory, func(c *engine.Comm) error { return c.AllGather(background, f(36), strided.Tensor{}) }},
		{"reduce_scatter: counts", "src", strided.ErrShape, func(c *engine.Comm) error { return c.ReduceScatter(background, f(4), f(13), engine.Sum) }},
		{"reduce_scatter: operator", "op", engine.ErrInvalidArgument, func(c *engine.Comm) error {
			return c.ReduceScatter(background, f(4), f(12), engine.Op(77))
		}},
		{"reduce_scatter: another rank's part", "dst", engine.ErrOverlap, func(c *engine.Comm) error {
			return c.ReduceScatter(background, whole.Slice(0, 5, 9), whole, engine.Sum)
		}},
		{"reduce_scatter: a part of what overlaps itself", "dst", engine.ErrOverlap, func(c *engine.Comm) error {
			row := f(4)
			return c.ReduceScatter(background, row, row.Reshape(1, 4).Expand(3, 4), engine.Sum)
		}},
		{"reduce: root", "root", engine.ErrInvalidArgument, func(c *engine.Comm) error { return c.Reduce(background, f(4), f(4), engine.Sum, 3) }},
		{"reduce: counts at the root", "dst", strided.ErrShape, func(c *engine.Comm) error { return c.Reduce(background, f(5), f(4), engine.Sum, 1) }},
		{"gather: counts at the root", "dst", strided.ErrShape, func(c *engine.Comm) error { return c.Gather(background, f(13), f(4), 1) }},
		{"gather: in place, undividable", "dst", strided.ErrShape, func(c *engine.Comm) error { return c.Gather(background, f(13), strided.Tensor{}, 1) }},
		{"scatter: root", "root", engine.ErrInvalidArgument, func(c *engine.Comm) error { return c.Scatter(background, f(4), f(12), -1) }},
		{"scatter: overlap", "dst", engine.ErrOverlap, func(c *engine.Comm) error { return c.Scatter(background, whole.Slice(0, 0, 4), whole, 1) }},
		{"alltoall: undividable", "src", strided.ErrShape, func(c *engine.Comm) error { return c.AllToAll(background, f(13), f(13)) }},
		{"alltoall: overlap", "dst", engine.ErrOverlap, func(c *engine.Comm) error {
			return c.AllToAll(background, whole.Slice(0, 0, 6), whole.Slice(0, 6, 12).Reverse(0).Slice(0, 0, 6).Reverse(0).AsStrided([]int64{6}, []int64{1}, 3))
		}},
	}
	w := localWorld(t, 3, engine.Config{})
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			errs := w.each(t, func(rank int, c *engine.Comm) error {
				if rank == 1 {
					return k.call(c)
				}
				return c.AllGather(background, f(36), f(12))
			})
			var argument *engine.ArgumentError
			require.ErrorAs(t, errs[1], &argument)
			require.ErrorIs(t, errs[1], k.is)
			require.Equal(t, k.argument, argument.Argument)
			for _, rank := range []int{0, 2} {
				require.ErrorIs(t, errs[rank], engine.ErrMismatch)
				require.ErrorContains(t, errs[rank], "rank 1 passed invalid arguments")
			}
		})
	}
	w.must(t, func(_ int, c *engine.Comm) error { return c.AllGather(background, f(36), f(12)) })
}

// TestCollectivesDisagree: whatever the ranks disagree about, each gets a
// MismatchError. After a collective in which all wait for all they go on.
func TestCollectivesDisagree(t *testing.T) {
	of := func(name string) *collective {
		for i := range collectives {
			if collectives[i].name == name {
				return &collectives[i]
			}
		}
		panic(name)
	}
	base := func(name string) collectiveCase {
		return collectiveCase{of: of(name), dt: dtype.Float32, op: engine.Sum, block: []int64{5, 40}, big: "stacked", in: []string{"slice"}, out: []string{"column"}}
	}
	change := map[string]func(k *collectiveCase){
		"count":     func(k *collectiveCase) { k.block = []int64{201} },
		"many more": func(k *collectiveCase) { k.block = []int64{5000} },
		"dtype":     func(k *collectiveCase) { k.dt = dtype.Int32 },
		"collective": func(k *collectiveCase) {
			k.of = of(map[bool]string{true: "alltoall", false: "all_gather"}[k.of.name == "all_gather"])
		},
		"operator": func(k *collectiveCase) { k.op = engine.Max },
		"root":     func(k *collectiveCase) { k.root = 1 },
	}
	for _, size := range []int{2, 3, 5} {
		for _, k := range collectives {
			for what, alter := range change {
				if what == "operator" && !k.reduces || what == "root" && !k.rooted {
					continue
				}
				t.Run(fmt.Sprintf("np=%d/%s/%s", size, k.name, what), func(t *testing.T) {
					t.Parallel()
					w := localWorld(t, size, engine.Config{ChunkBytes: smallChunk})
					odd := size - 1
					errs := w.each(t, func(rank int, c *engine.Comm) error {
						k := base(k.name)
						if rank == odd {
							alter(&k)
						}
						err := k.runRank(forRank(t, rank), c, size)
						if err == nil && k.of.rooted { // it had finished before; it learns of it later
							err = c.Barrier(background)
						}
						return err
					})
					for rank, err := range errs {
						require.ErrorIs(t, err, engine.ErrMismatch, "rank %d", rank)
					}
					if k.rooted {
						return
					}
					w.must(t, func(_ int, c *engine.Comm) error { return c.Barrier(background) })
				})
			}
		}
	}
}

// TestCollectivesRestart: ranks that walk differently start again in logical order, once
// for each signature.
func TestCollectivesRestart(t *testing.T) {
	for _, name := range []string{"all_gather", "reduce_scatter"} {
		for _, size := range []int{2, 3, 4} {
			w := localWorld(t, size, engine.Config{ChunkBytes: smallChunk})
			for i := range collectives {
				if collectives[i].name != name {
					continue
				}
				for range 3 {
					for _, inPlace := range []bool{false, true} {
						k := collectiveCase{of: &collectives[i], dt: dtype.Float64, op: engine.Sum, block: []int64{6, 10, 3}, big: "stacked", in: mixedLayouts, out: mixedLayouts, inPlace: inPlace}
						k.run(t, w)
					}
				}
			}
		}
	}
}

// TestFailuresInARow: what many failed operations leave in the links keeps nobody from
// the next one, whichever way it sends.
func TestFailuresInARow(t *testing.T) {
	f := func(n int) strided.Tensor { return strided.Of(make([]float32, n)) }
	calls := map[string]func(c *engine.Comm, count int) error{
		"all_gather":     func(c *engine.Comm, n int) error { return c.AllGather(background, f(n*c.Size()), f(n)) },
		"reduce_scatter": func(c *engine.Comm, n int) error { return c.ReduceScatter(background, f(n), f(n*c.Size()), engine.Sum) },
		"alltoall":       func(c *engine.Comm, n int) error { return c.AllToAll(background, f(n*c.Size()), f(n*c.Size())) },
		"all_reduce":     func(c *engine.Comm, n int) error { return c.AllReduce(background, f(n), f(n), engine.Sum) },
		"gather":         func(c *engine.Comm, n int) error { return c.Gather(background, f(n*c.Size()), f(n), 0) },
	}
	for name, call := range calls {
		for _, size := range []int{2, 3, 4, 6} {
			t.Run(fmt.Sprintf("%s/np=%d", name, size), func(t *testing.T) {
				w := localWorld(t, size, engine.Config{ChunkBytes: smallChunk})
				for i := range 7 {
					w.each(t, func(rank int, c *engine.Comm) error {
						if rank == i%size {
							return c.AllReduce(background, strided.Tensor{}, f(3), engine.Sum) // refused
						}
						return call(c, 3)
					})
				}
				if name == "gather" || w[0].Err() != nil {
					return // some rank had finished, so the communicator fails, if not yet
				}
				for name, call := range calls {
					w.must(t, func(_ int, c *engine.Comm) error {
						if err := call(c, 3); err != nil {
							return fmt.Errorf("%s: %w", name, err)
						}
						return nil
					})
				}
			})
		}
	}
}
