package engine_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// envWorlds lists the sizes of the worlds of TestLargeWorlds, separated by commas.
const envWorlds = "MONEL_TEST_WORLDS"

// usage is what this process holds.
type usage struct {
	goroutines int
	heap       uint64
}

func used() usage {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), m.HeapAlloc}
}

// TestLargeWorlds has many ranks in one process reduce and broadcast, and bounds what
// each of them holds: 64 ranks, or as many as MONEL_TEST_WORLDS says.
func TestLargeWorlds(t *testing.T) {
	list := os.Getenv(envWorlds)
	if list == "" {
		list = "64"
	}
	for field := range strings.SplitSeq(list, ",") {
		size, err := strconv.Atoi(field)
		require.NoError(t, err)
		t.Run(field, func(t *testing.T) { largeWorld(t, size) })
	}
}

func largeWorld(t *testing.T, size int) {
	const chunk = 4096
	before := used()
	w := localWorld(t, size, engine.Config{ChunkBytes: chunk})
	rng := rand.New(rand.NewPCG(1, uint64(size)))
	// By doubling, by the ring in one loop with chunks that are empty, with full ones,
	// and in two loops; along the binomial tree and the chain.
	for _, count := range []int{1, 7, 2000, size * chunk / 8, size*chunk/4 + 1} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			reduceEverywhere(t, w, count)
			root := rng.IntN(size)
			broadcastEverywhere(t, w, count, root)
		})
	}
	after := used()
	goroutines := float64(after.goroutines-before.goroutines) / float64(size)
	// What a rank holds does not depend on the tensors: a few links of so many slots,
	// for the ring, the rounds of doubling, and trees of several roots; its scratch,
	// its history, and a few words for every other rank.
	heap := float64(after.heap-min(before.heap, after.heap)) / float64(size)
	t.Logf("%d ranks: %.1f goroutines and %.0f KiB for each", size, goroutines, heap/1024)
	require.LessOrEqual(t, goroutines, 1.5)
	const links, slots = 40, 4
	require.Less(t, heap, float64(links*slots*chunk+128<<10+64*size))
}

// valueOf is element i of a rank's tensor.
func valueOf(rank, i int) int64 { return int64(rank+1)*int64(i%31+1) + int64(i) }

func reduceEverywhere(t *testing.T, w world, count int) {
	n := int64(len(w))
	w.must(t, func(rank int, c *engine.Comm) error {
		// Every second rank has its elements the other way round in memory.
		data := make([]int64, count)
		at := func(i int) *int64 { return &data[i] }
		x := strided.Of(data)
		if rank%2 == 1 {
			x = strided.Of(data).Reverse(0)
			at = func(i int) *int64 { return &data[count-1-i] }
		}
		for i := range count {
			*at(i) = valueOf(rank, i)
		}
		if err := c.AllReduce(background, x, x, engine.Sum); err != nil {
			return err
		}
		for i := range count {
			if want := n*(n+1)/2*int64(i%31+1) + n*int64(i); *at(i) != want {
				return fmt.Errorf("element %d of %d is %d, not %d", i, count, *at(i), want)
			}
		}
		return nil
	})
}

func broadcastEverywhere(t *testing.T, w world, count, root int) {
	w.must(t, func(rank int, c *engine.Comm) error {
		data := make([]int64, count)
		for i := range data {
			data[i] = valueOf(rank, i)
		}
		x := strided.Of(data)
		if err := c.Broadcast(background, x, x, root); err != nil {
			return err
		}
		for i, v := range data {
			if want := valueOf(root, i); v != want {
				return fmt.Errorf("element %d of %d is %d, not rank %d's %d", i, count, v, root, want)
			}
		}
		return nil
	})
}
