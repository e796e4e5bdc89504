package choose

import "github.com/monel-dev/monel/bruck"

// Blocks is an algorithm for collectives in which every rank has a block of its own:
// all_gather and reduce_scatter.
type Blocks uint8

// The algorithms. In Spread, every rank sends to every other at once.
const (
	RingOfBlocks Blocks = iota
	Spread
	Bruck
)

// String is the algorithm's name in logs.
func (b Blocks) String() string {
	switch b {
	case Spread:
		return "spread"
	case Bruck:
		return "bruck"
	}
	return "ring"
}

// A message that nobody waits for costs those at its ends a part of a hop, more where
// the system has a part in it.
const (
	farMessage  = 3 // a third
	nearMessage = 8 // an eighth
)

// AllGather is the algorithm for an all_gather of blocks of so many bytes by size >= 2
// ranks. Near says that all of them share memory. The algorithm makes no difference to
// the result.
//
// With n for size, B for block, h for hop, m for a message, a third or near an eighth
// of h, and K for bruck.Rounds: the ring takes (n-1)·(h+B), spreading h + (n-1)·(m+B),
// and Bruck's K·h + 3/2·(n-1)·B, since its blocks are copied once more. The least is
// chosen, of those whose messages fit into a chunk. Unless they are near, what all send
// at once has to be kept by the system until it is received, which takes a spread block
// a quarter more. Two ranks send the same either way: up to a hop they spread, which
// takes no plan, and more than that they reduce in one go, on the ring.
func AllGather(block, chunk, hop int64, size int, near bool) Blocks {
	if near {
		return blocks(block, chunk, hop, hop/nearMessage, block, size, Spread)
	}
	return blocks(block, chunk, hop, hop/farMessage, block+block/4, size, Spread)
}

// ReduceScatter is the same for a reduce_scatter. The algorithm decides in which order
// a block's elements are added, so it does not depend on where the ranks are. Of equals
// it takes the ring, an all_gather spreading, where nobody waits for a third.
func ReduceScatter(block, chunk, hop int64, size int) Blocks {
	return blocks(block, chunk, hop, hop/farMessage, block+block/4, size, RingOfBlocks)
}

// blocks takes equal, one of the two, where the ring and spreading cost the same.
func blocks(block, chunk, hop, message, spread int64, size int, equal Blocks) Blocks {
	if block > chunk {
		return RingOfBlocks
	}
	if size == 2 && block <= hop {
		return Spread
	}
	others := int64(size) - 1
	best, least := RingOfBlocks, others*(hop+block)
	if cost := hop + others*(message+spread); others > 1 && (cost < least || cost == least && equal == Spread) {
		best, least = Spread, cost
	}
	if cost := int64(bruck.Rounds(size))*hop + 3*others*block/2; block <= chunk/int64(size) && cost < least {
		best = Bruck
	}
	return best
}

// GatherByTree reports whether a gather or scatter of blocks of so many bytes goes
// along a binomial tree instead of straight between the root and everybody.
//
// Either way the root handles n-1 blocks. A tree takes K hops, K being ceil(log2 n),
// and the direct way one hop and n-1 messages of h/3 each, or near h/8. All blocks have
// to fit into a chunk, since a message of the tree holds those of a whole subtree.
func GatherByTree(block, chunk, hop int64, size int, near bool) bool {
	if block > chunk/int64(size) {
		return false
	}
	message := hop / farMessage
	if near {
		message = hop / nearMessage
	}
	return int64(bruck.Rounds(size))*hop < hop+(int64(size)-1)*message
}

// BroadcastFlat reports whether a broadcast of so many bytes within a host is best sent
// to everybody by the root itself: as OneRound, as long as all the messages are no
// more than a hop.
func BroadcastFlat(bytes, hop int64, size int) bool {
	return size > 2 && size <= MostDirect && int64(size-1)*bytes <= hop
}
