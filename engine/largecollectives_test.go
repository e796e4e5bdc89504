package engine_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestLargeWorldsCollectives: the collectives that TestLargeWorlds leaves out, among as
// many ranks. Every rank talks to every other, so what it holds grows with the world: a
// slot or two for each.
func TestLargeWorldsCollectives(t *testing.T) {
	list := os.Getenv(envWorlds)
	if list == "" {
		list = "64"
	}
	for field := range strings.SplitSeq(list, ",") {
		size, err := strconv.Atoi(field)
		require.NoError(t, err)
		t.Run(field, func(t *testing.T) { largeCollectives(t, size) })
	}
}

func largeCollectives(t *testing.T, size int) {
	const chunk = 256
	before := used()
	w := localWorld(t, size, engine.Config{ChunkBytes: chunk})
	// In one chunk, and in three; int64 holds the sums of any number of ranks.
	for _, block := range []int64{1, 2*chunk/8 + 3} {
		for i := range collectives {
			k := collectiveCase{of: &collectives[i], dt: dtype.Int64, op: engine.Sum, block: []int64{block}, big: "stacked", in: []string{"contiguous", "reverse"}, out: []string{"reverse"}, root: size / 3}
			t.Run(fmt.Sprintf("%s/%d", k.of.name, block), func(t *testing.T) {
				k.run(t, w)
			})
		}
		t.Run(fmt.Sprintf("sendrecv/%d", block), func(t *testing.T) {
			w.must(t, func(rank int, c *engine.Comm) error {
				from, to := make([]int64, block), make([]int64, block)
				for i := range from {
					from[i] = valueOf(rank, i)
				}
				left := (rank + size - 1) % size
				err := c.Group(background, func(g *engine.Group) error {
					return errors.Join(g.Recv(strided.Of(to), left), g.Send(strided.Of(from), (rank+1)%size))
				})
				for i := range to {
					if to[i] != valueOf(left, i) {
						err = errors.Join(err, fmt.Errorf("element %d is %d", i, to[i]))
					}
				}
				return errors.Join(err, c.Barrier(background))
			})
		})
		t.Run(fmt.Sprintf("variable/%d", block), func(t *testing.T) {
			v := variableCase{dt: dtype.Int64}
			for from := range size {
				rows := make([]int64, size)
				for to := range rows {
					rows[to] = int64(from+3*to) % (block + 1)
				}
				v.rows = append(v.rows, rows)
			}
			w.must(t, func(rank int, c *engine.Comm) error { return v.run(forRank(t, rank), c) })
		})
	}
	after := used()
	goroutines := float64(after.goroutines-before.goroutines) / float64(size)
	heap := float64(after.heap-min(before.heap, after.heap)) / float64(size)
	t.Logf("%d ranks: %.1f goroutines and %.0f KiB for each", size, goroutines, heap/1024)
	require.LessOrEqual(t, goroutines, 1.5)
	// Links to and from every rank, for collectives and to two neighbours for messages.
	const link = 4*chunk + 2<<10
	require.Less(t, heap, float64(2*link*(size+4)+128<<10))
}
