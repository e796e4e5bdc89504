// Package choose picks the algorithm of a collective from what all ranks know:
// its size in bytes, the number of ranks, the size of a chunk. Its functions are
// pure and in integer arithmetic, so ranks that agree on the arguments agree on
// the result.
//
// The models count time in bytes that one link could have sent meanwhile. A hop
// that carries nothing costs Hop bytes. That is the product of a link's latency
// and its bandwidth, which differs less between media than either, since faster
// links come with shorter latencies. One number for all media means that results
// have the same bits on all of them.
package choose

import (
	"fmt"

	"github.com/monel-dev/monel/doubling"
)

// Hop is the cost of an empty hop in bytes, unless the caller knows better. MaxHop
// keeps the models from overflowing.
const (
	Hop    = 12 << 10
	MaxHop = 1 << 24
)

// AllReduce is an algorithm for all_reduce.
type AllReduce uint8

// The algorithms. Auto stands for the one that the model prefers.
const (
	Auto AllReduce = iota
	Ring
	Doubling
)

var names = [...]string{Auto: "auto", Ring: "ring", Doubling: "doubling"}

// String is the algorithm's name in settings and logs.
func (a AllReduce) String() string {
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("algorithm(%d)", uint8(a))
}

// Parse is the reverse of String; the empty name is Auto.
func Parse(name string) (AllReduce, bool) {
	if name == "" {
		return Auto, true
	}
	for a, n := range names {
		if n == name {
			return AllReduce(a), true
		}
	}
	return Auto, false
}

// Pick is the algorithm for an all_reduce of so many bytes by size >= 2 ranks.
//
// With n for size, S for bytes, h for hop and R for doubling.Rounds: the ring
// takes (2n-2)·h + (2n-2)/n·S, and doubling R·(h+S), since every rank sends
// everything in every round. Doubling is chosen where that is not more, and where
// the tensor fits into one chunk, since it isn't pipelined.
func Pick(bytes, chunk, hop int64, size int) AllReduce {
	if bytes <= Limit(chunk, hop, size) {
		return Doubling
	}
	return Ring
}

// MostDirect is the greatest world in which every rank may send to every other at
// once.
const MostDirect = 8

// OneRound reports whether an all_reduce that Pick has given to Doubling is better
// done in one round, in which every rank sends everything to every other: where a
// message costs a sender next to nothing, as it does within a host, that replaces
// doubling.Rounds hops by one, as long as n-1 messages of the size are no more than
// a hop. The bits are the same.
func OneRound(bytes, hop int64, size int) bool {
	return size > 2 && size <= MostDirect && int64(size-1)*bytes <= hop
}

// Limit is the greatest number of bytes for which Pick picks Doubling, at most a
// chunk.
func Limit(chunk, hop int64, size int) int64 {
	n, rounds := int64(size), int64(doubling.Rounds(size))
	saved := (2*n - 2 - rounds) * n * hop // n times the hops that doubling saves
	more := rounds*n - (2*n - 2)          // n times the bytes that it sends more, per byte
	if more <= 0 {
		return chunk
	}
	return min(chunk, saved/more)
}
