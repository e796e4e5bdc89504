package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestRandomDisagreements: collectives in mixed layouts, one after the other on one
// communicator, in some of which a rank calls something else or is refused. Where all agree
// the results are right, whatever failed before; where they do not, every rank gets an
// error; and the communicator can be used afterwards, by all or, after a collective with a
// root, perhaps by none.
func TestRandomDisagreements(t *testing.T) {
	for name, newWorld := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it mostly waits for ranks that make no call
			rng := seeded(t)
			random := func(rooted bool) collectiveCase {
				k := collectiveCase{dt: []strided.DType{dtype.Float32, dtype.Int8, dtype.Float64}[rng.IntN(3)],
					op: []engine.Op{engine.Sum, engine.Max}[rng.IntN(2)], big: []string{"stacked", "flat"}[rng.IntN(2)],
					in: mixedLayouts[rng.IntN(len(mixedLayouts)):], out: mixedLayouts[rng.IntN(len(mixedLayouts)):], started: rng.IntN(3) == 0}
				for range 1 + rng.IntN(3) {
					k.block = append(k.block, int64(1+rng.IntN(12)))
				}
				for k.of == nil || k.of.rooted && !rooted {
					k.of = &collectives[rng.IntN(len(collectives))]
				}
				return k
			}
			size := 2 + rng.IntN(4)
			var w world
			for step := range 40 {
				if w == nil {
					w = newWorld(t, size, engine.Config{ChunkBytes: []int{64, 512, 4096}[rng.IntN(3)], Checksums: rng.IntN(4) == 0})
				}
				k := random(true)
				if step%2 == 0 {
					k.run(t, w)
					continue
				}
				odd, refused := rng.IntN(size), rng.IntN(3) == 0
				other := random(k.of.rooted)
				for other.of == k.of {
					other = random(k.of.rooted)
				}
				errs := w.each(t, func(rank int, c *engine.Comm) error {
					switch {
					case rank != odd:
						k := k // each rank's own
						return k.runRank(forRank(t, rank), c, size)
					case refused:
						return c.AllReduce(background, strided.Tensor{}, strided.Of(make([]float32, 3)), engine.Sum)
					}
					return other.runRank(forRank(t, rank), c, size)
				})
				text := fmt.Sprintf("step %d of %d ranks: %v, but rank %d: %v, refused %v: %v", step, size, &k, odd, &other, refused, errs)
				for rank, err := range errs {
					var bad *engine.ArgumentError
					switch {
					case rank == odd && refused:
						require.ErrorAs(t, err, &bad, text)
					case err != nil:
						require.ErrorIs(t, err, engine.ErrMismatch, text)
					default:
						require.True(t, k.of.rooted, text)
					}
				}
				if !agreeAgain(t, w, text) {
					require.True(t, k.of.rooted, text)
					w = nil
				}
			}
		})
	}
}

// agreeAgain has the ranks meet after they have disagreed, and reports whether the
// communicator can be used: by all of them, or by none. What a collective with a root has
// left may show in the first meeting only.
func agreeAgain(t *testing.T, w world, after string) bool {
	t.Helper()
	for range 2 {
		errs := w.each(t, func(_ int, c *engine.Comm) error { return c.Barrier(background) })
		if errors.Join(errs...) == nil {
			return true
		}
		broken := 0
		for rank, c := range w {
			require.ErrorIs(t, errs[rank], engine.ErrMismatch, after)
			if c.Err() != nil {
				broken++
			}
		}
		if broken > 0 {
			require.Equal(t, len(w), broken, after)
			return false
		}
	}
	t.Fatal("the ranks do not come to agree again: " + after)
	return false
}
