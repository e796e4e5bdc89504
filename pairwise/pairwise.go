// Package pairwise plans an all-to-all in which every rank is with one other at a
// time. It does no I/O and knows no elements.
//
// In round k of n, ranks a and b are together if a + b = k (mod n). That is a
// perfect matching: each rank has one partner, whose partner it is, and over the n
// rounds every rank meets every other once and itself once, when it has a block to
// copy. Because two ranks that are together send each other the blocks of the same
// two places, an exchange may happen in place.
//
// No deadlock is possible if partners make their exchange without relying on anybody
// else: of all ranks that are not done, one in the earliest round has a partner which
// is in that round or will come to it, since nothing earlier is left to wait for.
//
// The usual schedule, in which rank r sends to r+k and receives from r-k, has rings
// of ranks wait for each other and cannot replace a block by the one that comes for
// it.
package pairwise

import "fmt"

// Partner is the rank that a rank meets in a round, itself perhaps. It panics unless
// 0 <= rank < size and 0 <= round < size.
func Partner(size, rank, round int) int {
	if rank < 0 || rank >= size || round < 0 || round >= size {
		panic(fmt.Sprintf("pairwise: round %d of rank %d of %d", round, rank, size))
	}
	return (round - rank + size) % size
}
