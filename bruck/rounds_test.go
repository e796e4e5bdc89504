package bruck_test

import (
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bruck"
)

// contents is what a block is made of: how often each rank's elements are in it.
type contents []int

// simulate executes the rounds of all ranks on their tables.
func simulate(t *testing.T, size int, rounds func(size, rank int) iter.Seq[bruck.Round], tables [][]contents, merge func(have, got contents) contents) {
	t.Helper()
	plans := make([][]bruck.Round, size)
	for rank := range size {
		plans[rank] = slices.Collect(rounds(size, rank))
		require.Len(t, plans[rank], bruck.Rounds(size))
	}
	sent := make([]int, size)
	met := map[[2]int]bool{}
	for k := range bruck.Rounds(size) {
		before := make([][]contents, size)
		for rank := range size {
			before[rank] = slices.Clone(tables[rank])
		}
		for rank := range size {
			r := plans[rank][k]
			peer := plans[r.From][k]
			require.Equal(t, rank, peer.To, "size %d, round %d: who is received from sends", size, k)
			require.Equal(t, r.Blocks, peer.Blocks)
			require.False(t, met[[2]int{rank, r.To}], "one message per link")
			met[[2]int{rank, r.To}] = true
			sent[rank] += r.Blocks
			for i := range r.Blocks {
				// Entry j of a table is about rank + j.
				require.Equal(t, (rank+r.Recv+i)%size, (r.From+peer.Send+i)%size, "both mean the same block")
				tables[rank][r.Recv+i] = merge(before[rank][r.Recv+i], before[r.From][peer.Send+i])
			}
		}
	}
	for rank := range size {
		require.Equal(t, size-1, sent[rank], "size %d: blocks sent by rank %d", size, rank)
	}
}

func TestAllGather(t *testing.T) {
	for size := 1; size <= 67; size++ {
		tables := make([][]contents, size)
		for rank := range tables {
			tables[rank] = make([]contents, size)
			tables[rank][0] = contents{rank}
		}
		simulate(t, size, bruck.AllGather, tables, func(have, got contents) contents {
			require.Nil(t, have, "received twice")
			require.NotNil(t, got, "sent before it was there")
			return got
		})
		for rank := range tables {
			for i, block := range tables[rank] {
				require.Equal(t, contents{(rank + i) % size}, block, "size %d, rank %d, entry %d", size, rank, i)
			}
		}
	}
}

func TestReduceScatter(t *testing.T) {
	for size := 1; size <= 67; size++ {
		tables := make([][]contents, size)
		for rank := range tables {
			for range size {
				own := make(contents, size)
				own[rank] = 1
				tables[rank] = append(tables[rank], own)
			}
		}
		simulate(t, size, bruck.ReduceScatter, tables, func(have, got contents) contents {
			sum := slices.Clone(have)
			for rank, n := range got {
				sum[rank] += n
			}
			return sum
		})
		for rank := range tables {
			for from, times := range tables[rank][0] {
				require.Equal(t, 1, times, "size %d: rank %d in the sum of rank %d", size, from, rank)
			}
		}
	}
}

// Who has got all messages has heard from everybody.
func TestHearsFromAll(t *testing.T) {
	for size := 1; size <= 33; size++ {
		for name, rounds := range map[string]func(size, rank int) iter.Seq[bruck.Round]{"all_gather": bruck.AllGather, "reduce_scatter": bruck.ReduceScatter} {
			heard := make([]map[int]bool, size)
			for rank := range heard {
				heard[rank] = map[int]bool{rank: true}
			}
			for k := range bruck.Rounds(size) {
				next := make([]map[int]bool, size)
				for rank := range size {
					r := slices.Collect(rounds(size, rank))[k]
					next[rank] = map[int]bool{}
					for _, of := range []int{rank, r.From} {
						for other := range heard[of] {
							next[rank][other] = true
						}
					}
				}
				heard = next
			}
			for rank := range heard {
				require.Len(t, heard[rank], size, "%s, size %d, rank %d", name, size, rank)
			}
		}
	}
}

func TestRounds(t *testing.T) {
	for size := 1; size < 5000; size++ {
		require.Equal(t, bits.Len(uint(size-1)), bruck.Rounds(size))
		require.GreaterOrEqual(t, 1<<bruck.Rounds(size), size)
	}
	require.Panics(t, func() { bruck.AllGather(3, 3) })
	require.Panics(t, func() { bruck.ReduceScatter(3, -1) })
}

// Rank 1 of 6 gathers six blocks in three rounds.
func ExampleAllGather() {
	for r := range bruck.AllGather(6, 1) {
		fmt.Printf("send %d to rank %d, receive from rank %d for entries [%d,%d)\n", r.Blocks, r.To, r.From, r.Recv, r.Recv+r.Blocks)
	}
	// Output:
	// send 1 to rank 0, receive from rank 2 for entries [1,2)
	// send 2 to rank 5, receive from rank 3 for entries [2,4)
	// send 2 to rank 3, receive from rank 5 for entries [4,6)
}
