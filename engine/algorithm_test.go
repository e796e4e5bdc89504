package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestMismatchAcrossAlgorithms: ranks whose counts differ so much that some take
// the ring and some do not all learn of it, nothing is written, and the
// communicator goes on.
func TestMismatchAcrossAlgorithms(t *testing.T) {
	for name, newWorld := range worlds {
		for _, size := range []int{2, 3, 4} {
			for odd := range size {
				if name != "inproc" && (size != 4 || odd > 1) {
					continue // it is the same engine
				}
				t.Run(fmt.Sprintf("%s/np=%d/rank=%d", name, size, odd), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, size, engine.Config{ChunkBytes: smallChunk})
					for _, shapes := range [][2][]int64{{{3}, {5000}}, {{5000}, {3}}} {
						tensors := make([]placed, size)
						for rank := range tensors {
							shape := shapes[0]
							if rank == odd {
								shape = shapes[1]
							}
							tensors[rank] = layoutNamed("column").place(t, dtype.Float32, shape)
							tensors[rank].fill(func(i int) scalar { return input(dtype.Float32, engine.Sum, rank, i) })
						}
						errs := w.each(t, func(rank int, c *engine.Comm) error {
							return c.AllReduce(background, tensors[rank].tensor, tensors[rank].tensor, engine.Sum)
						})
						for rank, err := range errs {
							require.ErrorIs(t, err, engine.ErrMismatch, "rank %d", rank)
							require.NoError(t, tensors[rank].check(func(i int) scalar { return input(dtype.Float32, engine.Sum, rank, i) }), "untouched")
						}
					}
					w.must(t, func(rank int, c *engine.Comm) error {
						return reduceInPlace(c, layoutNamed("steps").place(t, dtype.Float32, []int64{4, 5}), engine.Sum)
					})
				})
			}
		}
	}
}

// TestSameBitsByDoubling: what is too small to be cut into chunks has the same
// bits on all ranks whatever they combine, NaNs with different payloads too.
func TestSameBitsByDoubling(t *testing.T) {
	for _, size := range []int{2, 3, 4, 5, 7} {
		for _, op := range dtype.Ops() {
			w := localWorld(t, size, engine.Config{Algorithm: "doubling"})
			results := make([][]byte, size)
			w.must(t, func(rank int, c *engine.Comm) error {
				p := layoutNamed("transpose").place(t, dtype.Float32, []int64{5, 7})
				for i, at := range p.at {
					nan := uint32(0x7fc00000 + rank<<8 + i)
					for k := range 4 {
						p.storage[at+int64(k)] = byte(nan >> (8 * k))
					}
				}
				err := c.AllReduce(background, p.tensor, p.tensor, op)
				for _, at := range p.at {
					results[rank] = append(results[rank], p.storage[at:at+4]...)
				}
				return err
			})
			for rank := range results {
				require.Equal(t, results[0], results[rank], "%v, rank %d of %d", op, rank, size)
			}
		}
	}
}

// TestSameBitsInOneRound: within a host the rounds of doubling become one, and
// nobody can tell from the bits.
func TestSameBitsInOneRound(t *testing.T) {
	for _, size := range []int{2, 3, 4, 5, 7, 8, 9} {
		t.Run(fmt.Sprintf("np=%d", size), func(t *testing.T) {
			t.Parallel()
			var results [][]byte
			for _, w := range []world{tcpWorld(t, size, engine.Config{}), localWorld(t, size, engine.Config{}), shmWorld(t, size, engine.Config{})} {
				for _, layout := range []string{"contiguous", "column"} {
					got := make([][]byte, size)
					w.must(t, func(rank int, c *engine.Comm) error {
						p := layoutNamed(layout).place(t, dtype.Float16, []int64{5, 7})
						rng := rand.New(rand.NewPCG(uint64(rank), 7))
						for _, at := range p.at {
							p.storage[at], p.storage[at+1] = byte(rng.Uint32()), byte(0x3c+rng.IntN(4)) // around 1
						}
						err := c.AllReduce(background, p.tensor, p.tensor, engine.Sum)
						for _, at := range p.at {
							got[rank] = append(got[rank], p.storage[at:at+2]...)
						}
						return err
					})
					results = append(results, got...)
				}
			}
			for i := range results {
				require.Equal(t, results[0], results[i], "result %d", i)
			}
		})
	}
}

// records is a slog handler that keeps messages.
type records struct{ lines chan string }

func (r records) Enabled(context.Context, slog.Level) bool { return true }
func (r records) Handle(_ context.Context, m slog.Record) error {
	r.lines <- m.Message
	return nil
}
func (r records) WithAttrs([]slog.Attr) slog.Handler { return r }
func (r records) WithGroup(string) slog.Handler      { return r }

func TestExplain(t *testing.T) {
	for hop, limit := range map[int]string{0: "96 KiB", 8 << 10: "64 KiB", 1 << 20: "256 KiB"} {
		r := records{make(chan string, 100)}
		tcpWorld(t, 4, engine.Config{Explain: true, HopBytes: hop, Logger: slog.New(r)})
		explained := 0
		for len(r.lines) > 0 {
			line := <-r.lines
			if strings.Contains(line, "of 4 over tcp; ring 0 > 1 > 2 > 3; all_reduce: doubling up to "+limit+", then ring; broadcast: binomial tree up to 544 KiB, then chain; chunks of 256 KiB, 4 in flight") {
				explained++
			}
		}
		require.Equal(t, 4, explained, "hop of %d bytes", hop)
	}
}
