package engine_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// bits all-reduces random numbers, whose sums depend on the order of addition,
// and returns the hash of each rank's result in logical order.
func bits(t testing.TB, w world, dt strided.DType, layoutOf func(rank int) string) [][32]byte {
	t.Helper()
	hashes := make([][32]byte, len(w))
	w.must(t, func(rank int, c *engine.Comm) error {
		p := layoutNamed(layoutOf(rank)).place(forRank(t, rank), dt, []int64{7, 40, 61})
		random := rand.New(rand.NewPCG(42, uint64(rank)))
		p.fill(func(int) scalar { return scalar{f: random.NormFloat64()} })
		if err := c.AllReduce(background, p.tensor, p.tensor, engine.Sum); err != nil {
			return err
		}
		p.there.read(p.storage)
		h := sha256.New()
		for _, at := range p.at {
			h.Write(p.storage[at : at+int64(dt.Size())])
		}
		hashes[rank] = [32]byte(h.Sum(nil))
		return nil
	})
	return hashes
}

// TestSameBits: the same on all ranks, in every run, on every transport; and in
// every layout if logical order is forced.
func TestSameBits(t *testing.T) {
	for _, dt := range []strided.DType{dtype.Float32, dtype.Float64, dtype.Float16, dtype.BFloat16} {
		for _, size := range []int{2, 3, 5} {
			if raceDetector && (dt != dtype.Float16 || size != 3) {
				continue // the race detector sees no more in the others
			}
			t.Run(fmt.Sprintf("%v/np=%d", dt, size), func(t *testing.T) {
				seen := map[string][32]byte{}
				for _, logical := range []bool{false, true} {
					for name, newWorld := range worlds {
						w := newWorld(t, size, engine.Config{ChunkBytes: 1024, LogicalOrder: logical})
						for range 2 {
							for _, l := range layouts {
								group := "logical"
								if !logical {
									group = l.name
								}
								for rank, hash := range bits(t, w, dt, func(int) string { return l.name }) {
									first, ok := seen[group]
									if !ok {
										seen[group], first = hash, hash
									}
									require.Equal(t, first, hash, "%s, layout %s, rank %d, logical order %v", name, l.name, rank, logical)
								}
							}
						}
						// Two orders are walked by halves, the first time and from then on.
						group := "logical"
						if !logical {
							group = "halves"
						}
						for range 2 {
							for _, hash := range bits(t, w, dt, func(rank int) string { return twoOrders[rank%2] }) {
								if first, ok := seen[group]; ok {
									require.Equal(t, first, hash, "%s, two orders, logical order %v", name, logical)
								}
								seen[group] = hash
							}
						}
						// More are walked logically, and so is everything with a signature
						// about which ranks have differed twice.
						for _, layoutOf := range []func(int) string{
							func(rank int) string { return mixedLayouts[(rank+1)%len(mixedLayouts)] },
							func(int) string { return "transpose" },
							func(rank int) string { return twoOrders[rank%2] },
						} {
							for _, hash := range bits(t, w, dt, layoutOf) {
								if first, ok := seen["logical"]; ok {
									require.Equal(t, first, hash)
								}
								seen["logical"] = hash
							}
						}
					}
				}
				if size > 2 {
					distinct := map[[32]byte]bool{}
					for _, hash := range seen {
						distinct[hash] = true
					}
					require.Greater(t, len(distinct), 1, "the test would not notice another order of addition")
					for group, hash := range seen {
						require.Equal(t, group == "halves", hash == seen["halves"], "of %s", group)
					}
				}
			})
		}
	}
}
