package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// TestOwnBlockInPlace: a block that is exactly the memory that it is to become is in place,
// for every collective with blocks, whatever the shapes.
func TestOwnBlockInPlace(t *testing.T) {
	w := localWorld(t, 2, engine.Config{})
	type made struct{ all, one strided.Tensor }
	f := func(n int) strided.Tensor { return strided.Of(make([]float32, n)) }
	for name, of := range map[string]func(rank, lo, hi int64) made{
		"rows": func(_, lo, hi int64) made {
			all := f(24).Reshape(6, 4)
			return made{all, all.Slice(0, lo, hi)}
		},
		"rows with gaps": func(_, lo, hi int64) made {
			all := f(48).Reshape(6, 8).Slice(1, 0, 4)
			return made{all, all.Slice(0, lo, hi)}
		},
		"flat": func(_, lo, hi int64) made {
			all := f(24).Reshape(6, 4)
			return made{all, all.Flatten().Slice(0, 4*lo, 4*hi)}
		},
		"another shape": func(_, lo, hi int64) made {
			all := f(48).Reshape(6, 8).Slice(1, 0, 4)
			return made{all, all.Slice(0, lo, hi).Reshape(-1, 2, 1, 2)}
		},
		"transposed": func(_, lo, hi int64) made {
			all := f(24).Reshape(4, 6).Permute(1, 0)
			return made{all, all.Slice(0, lo, hi)}
		},
	} {
		for _, rows := range [][]int64{{2, 4}, {3, 3}, {0, 6}} {
			place := func(rank int) (m made, counts []int64) {
				lo := rows[0] * int64(rank)
				m = of(int64(rank), lo, lo+rows[rank])
				require.NoError(t, errors.Join(m.all.Err(), m.one.Err()))
				return m, []int64{4 * rows[0], 4 * rows[1]}
			}
			calls := map[string]func(c *engine.Comm, m made, counts []int64) error{
				"all_gather_v": func(c *engine.Comm, m made, counts []int64) error {
					return c.AllGatherV(background, m.all, m.one, counts)
				},
			}
			if rows[0] == rows[1] {
				calls["all_gather"] = func(c *engine.Comm, m made, _ []int64) error { return c.AllGather(background, m.all, m.one) }
				calls["reduce_scatter"] = func(c *engine.Comm, m made, _ []int64) error {
					return c.ReduceScatter(background, m.one, m.all, engine.Sum)
				}
				calls["gather"] = func(c *engine.Comm, m made, _ []int64) error { return c.Gather(background, m.all, m.one, 1) }
				calls["scatter"] = func(c *engine.Comm, m made, _ []int64) error { return c.Scatter(background, m.one, m.all, 1) }
			}
			for call, f := range calls {
				t.Run(fmt.Sprintf("%s/%s/%v", call, name, rows), func(t *testing.T) {
					w.must(t, func(rank int, c *engine.Comm) error {
						m, counts := place(rank)
						return f(c, m, counts)
					})
				})
			}
		}
	}
	// What only begins where the block does, or is another block, is refused.
	for rank, err := range w.each(t, func(rank int, c *engine.Comm) error {
		all := f(48).Reshape(6, 8).Slice(1, 0, 4)
		return c.AllGatherV(background, all, all.Slice(0, 2*int64(1-rank), 2*int64(1-rank)+3), []int64{12, 12})
	}) {
		require.ErrorIs(t, err, engine.ErrInvalidArgument, "rank %d", rank)
		require.ErrorIs(t, err, strided.ErrOverlap, "rank %d", rank)
	}
}

// TestInPlaceBesideSplitRows: blocks that end within rows with gaps are tensors for some
// ranks only. Those are in place, and the others not.
func TestInPlaceBesideSplitRows(t *testing.T) {
	const size, block = 4, 3
	w := localWorld(t, size, engine.Config{})
	rows := func() (memory []int32, all strided.Tensor) { // 3 rows of 4 elements
		memory = make([]int32, 24)
		return memory, strided.Of(memory).Reshape(3, 8).Slice(1, 2, 6)
	}
	at := func(i int) int { return i/4*8 + 2 + i%4 }
	value := func(rank, i int) int32 { return int32(100*rank + i + 1) }
	isTensor := func(rank int) bool { return rank == 0 || rank == size-1 }
	own := func(rank int, all strided.Tensor) (one strided.Tensor, separate []int32) {
		switch rank {
		case 0:
			return all.Select(0, 0).Slice(0, 0, 3), nil
		case size - 1:
			return all.Select(0, 2).Slice(0, 1, 4), nil
		}
		separate = make([]int32, block)
		return strided.Of(separate), separate
	}
	counts := []int64{block, block, block, block}
	for name, call := range map[string]func(c *engine.Comm, all, one strided.Tensor) error{
		"all_gather":   func(c *engine.Comm, all, one strided.Tensor) error { return c.AllGather(background, all, one) },
		"all_gather_v": func(c *engine.Comm, all, one strided.Tensor) error { return c.AllGatherV(background, all, one, counts) },
		"gather": func(c *engine.Comm, all, one strided.Tensor) error {
			if c.Rank() != size-1 {
				all = strided.Tensor{}
			}
			return c.Gather(background, all, one, size-1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w.must(t, func(rank int, c *engine.Comm) error {
				memory, all := rows()
				want := make([]int32, len(memory))
				one, separate := own(rank, all)
				for i := range block {
					if separate != nil {
						separate[i] = value(rank, i)
					} else {
						memory[at(rank*block+i)] = value(rank, i)
					}
				}
				for i := range size * block {
					if name != "gather" || rank == size-1 || i/block == rank && isTensor(rank) {
						want[at(i)] = value(i/block, i%block)
					}
				}
				err := call(c, all, one)
				require.Equal(t, want, memory, "rank %d", rank)
				return err
			})
		})
	}
	for name, call := range map[string]func(c *engine.Comm, one, all strided.Tensor) error{
		"reduce_scatter": func(c *engine.Comm, one, all strided.Tensor) error {
			return c.ReduceScatter(background, one, all, engine.Sum)
		},
		"scatter": func(c *engine.Comm, one, all strided.Tensor) error {
			if c.Rank() != 0 {
				all = strided.Tensor{}
			}
			return c.Scatter(background, one, all, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w.must(t, func(rank int, c *engine.Comm) error {
				memory, all := rows()
				want := make([]int32, len(memory))
				one, separate := own(rank, all)
				for i := range size * block {
					memory[at(i)] = value(rank, i)
					want[at(i)] = value(rank, i)
				}
				var results []int32
				for i := range block {
					result := value(0, rank*block+i)
					if name == "reduce_scatter" {
						result = int32(600 + size*(rank*block+i+1))
					}
					results = append(results, result)
					if separate == nil {
						want[at(rank*block+i)] = result
					}
				}
				err := call(c, one, all)
				if separate != nil {
					require.Equal(t, results, separate, "rank %d", rank)
				}
				require.Equal(t, want, memory, "rank %d", rank)
				return err
			})
		})
	}
}
