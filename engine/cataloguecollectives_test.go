package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestCatalogueCollectives is the catalogue's cases in the collectives that TestCatalogue
// leaves out.
func TestCatalogueCollectives(t *testing.T) {
	onHost := func(name string, size int, run func(t testing.TB, c *engine.Comm) error) {
		t.Run(name, func(t *testing.T) {
			for transport, newWorld := range worlds {
				t.Run(transport, func(t *testing.T) {
					newWorld(t, size, engine.Config{}).must(t, func(rank int, c *engine.Comm) error { return run(forRank(t, rank), c) })
				})
			}
		})
	}
	value := func(dt strided.DType, rank int) func(i int) scalar {
		return func(i int) scalar { return input(dt, engine.Sum, rank, i) }
	}
	plain := func(x strided.Tensor) strided.Tensor { return x }

	// Reduce and scatter to a column of a matrix: silently wrong in Gloo.
	onHost("PyTorch-192920", 3, func(t testing.TB, c *engine.Comm) error {
		column := func(x strided.Tensor) strided.Tensor { return x.Select(1, 1) }
		x := view(t, "column", dtype.Float32, []int64{1000, 7}, column)
		x.fill(value(dtype.Float32, c.Rank()))
		if err := c.Reduce(background, x.tensor, x.tensor, engine.Sum, 1); err != nil {
			return err
		}
		after := value(dtype.Float32, c.Rank())
		if c.Rank() == 1 {
			after = func(i int) scalar { return reduce(dtype.Float32, engine.Sum, 3, i) }
		}
		errs := []error{x.check(after)}
		whole := view(t, "column", dtype.Float32, []int64{3 * 4, 3}, column)
		part := view(t, "column", dtype.Float32, []int64{4, 3}, column)
		whole.fill(value(dtype.Float32, 9))
		if err := c.Scatter(background, part.tensor, whole.tensor, 2); err != nil {
			return err
		}
		return errors.Join(append(errs, part.check(func(i int) scalar { return value(dtype.Float32, 9)(4*c.Rank() + i) }))...)
	})

	// Strided input, silently wrong in NCCL: transposed and stepped tensors.
	onHost("PyTorch-159548-62283-128066", 2, func(t testing.TB, c *engine.Comm) error {
		transposed := func(x strided.Tensor) strided.Tensor { return x.Permute(1, 0) }
		stepped := func(x strided.Tensor) strided.Tensor { return x.Step(1, 2) }
		x := view(t, "x.t()", dtype.Float32, []int64{300, 200}, transposed)
		all := view(t, "all", dtype.Float32, []int64{2 * 200, 300}, plain)
		x.fill(value(dtype.Float32, c.Rank()))
		if err := c.AllGather(background, all.tensor, x.tensor); err != nil {
			return err
		}
		errs := []error{all.check(func(i int) scalar { return value(dtype.Float32, i/60000)(i % 60000) })}
		src := view(t, "x[:, ::2]", dtype.Float64, []int64{64, 64}, stepped)
		sum := view(t, "sum.t()", dtype.Float64, []int64{32, 32}, transposed)
		src.fill(value(dtype.Float64, c.Rank()))
		if err := c.ReduceScatter(background, sum.tensor, src.tensor, engine.Sum); err != nil {
			return err
		}
		first := 1024 * c.Rank()
		return errors.Join(append(errs, sum.check(func(i int) scalar { return reduce(dtype.Float64, engine.Sum, 2, first+i) }))...)
	})

	// An expanded gradient as the input of all_gather and reduce_scatter.
	onHost("PyTorch-73515-75773", 2, func(t testing.TB, c *engine.Comm) error {
		grad := view(t, "grad", dtype.Float32, []int64{1, 1}, func(x strided.Tensor) strided.Tensor { return x.Expand(32, 17) })
		grad.fill(func(int) scalar { return scalar{f: float64(c.Rank() + 1)} })
		all := view(t, "all", dtype.Float32, []int64{2, 32, 17}, plain)
		sum := view(t, "sum", dtype.Float32, []int64{16, 17}, plain)
		if err := errors.Join(c.AllGather(background, all.tensor, grad.tensor), c.ReduceScatter(background, sum.tensor, grad.tensor, engine.Sum)); err != nil {
			return err
		}
		return errors.Join(
			all.check(func(i int) scalar { return scalar{f: float64(i/(32*17) + 1)} }),
			sum.check(func(int) scalar { return scalar{f: 3} }))
	})

	// A batch cut out of a larger one, more than one sample long, gathered from the
	// branches of classifier-free guidance.
	onHost("xDiT-450-vLLM-Omni-2367", 2, func(t testing.TB, c *engine.Comm) error {
		half := func(x strided.Tensor) strided.Tensor { return x.Permute(1, 0, 2).Slice(1, 2, 4) }
		mine := view(t, "batch", dtype.Float16, []int64{4, 77, 64}, half)
		mine.fill(value(dtype.Float16, c.Rank()))
		both := view(t, "both", dtype.Float16, []int64{4, 2, 77, 64}, func(x strided.Tensor) strided.Tensor { return x.Permute(1, 2, 0, 3).Slice(2, 1, 3) })
		if err := c.AllGather(background, both.tensor, mine.tensor); err != nil {
			return err
		}
		n := 77 * 2 * 64
		if err := both.check(func(i int) scalar { return value(dtype.Float16, i/n)(i % n) }); err != nil {
			return fmt.Errorf("gathered: %w", err)
		}
		return mine.check(value(dtype.Float16, c.Rank()))
	})
}
