package bruck

import (
	"fmt"
	"iter"
	"math/bits"
)

// Round is one round of one rank: send the blocks [Send,Send+Blocks) of its table to
// rank To, then receive as many from rank From for its blocks [Recv,Recv+Blocks).
type Round struct {
	To, From   int
	Send, Recv int
	Blocks     int
}

// AllGather yields the rounds of an all-gather, whose blocks received are kept. It
// panics unless 0 <= rank < size. A world of one has none.
func AllGather(size, rank int) iter.Seq[Round] {
	check(size, rank)
	return func(yield func(Round) bool) {
		for d := 1; d < size; d *= 2 {
			if !yield(Round{To: (rank + size - d) % size, From: (rank + d) % size, Recv: d, Blocks: min(d, size-d)}) {
				return
			}
		}
	}
}

// ReduceScatter yields the rounds of a reduce-scatter, whose blocks received are
// added, this rank's being the left operand. It panics unless 0 <= rank < size. A
// world of one has none. The last round is the one that completes block 0, and it
// has one block.
func ReduceScatter(size, rank int) iter.Seq[Round] {
	check(size, rank)
	return func(yield func(Round) bool) {
		for k := Rounds(size) - 1; k >= 0; k-- {
			d := 1 << k
			if !yield(Round{To: (rank + d) % size, From: (rank + size - d) % size, Send: d, Blocks: min(d, size-d)}) {
				return
			}
		}
	}
}

// Rounds is the number of rounds, ceil(log2 size).
func Rounds(size int) int { return bits.Len(uint(size - 1)) }

func check(size, rank int) {
	if rank < 0 || rank >= size {
		panic(fmt.Sprintf("bruck: rank %d of %d", rank, size))
	}
}
