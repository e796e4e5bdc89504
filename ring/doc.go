// Package ring plans collectives on a ring of ranks: which elements this rank
// takes from its predecessor, what it does with them, and which it hands to its
// successor, hop by hop. It does no I/O, knows no element type and allocates
// nothing that grows with the tensor; the executor that owns links and memory
// follows the plan.
//
// # Loops, chunks, steps
//
// Write n for Config.Size and r for Config.Rank. The count is cut into loops of
// n·Chunk elements and each loop into n chunks, numbered 0 to n-1. An
// all-reduce takes 2n-1 steps per loop; in step j, for j from 0 to 2n-2, rank r
// handles chunk (r-1-j) mod n:
//
//	j = 0               Send                 own elements, to the successor
//	j = 1 … n-2         RecvReduceSend       add own elements, pass on
//	j = n-1             RecvReduceCopySend   add own elements: final; keep and pass on
//	j = n … 2n-3        RecvCopySend         final elements: keep and pass on
//	j = 2n-2            RecvCopy             final elements: keep
//
// What a rank sends in step j its successor receives in step j+1. Chunk c
// starts at rank c+1, collects every rank once on its way round, becomes final
// at rank c, its owner, and goes round again. This is the schedule of Patarasuk
// and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
// workstations" (2009), in the arrangement that NCCL uses.
//
// A rank reads its own source elements of a chunk once, before it writes its
// destination elements of that chunk, so source and destination may be the same
// memory. Nothing is written anywhere before a message about those very
// elements has passed every rank.
//
// # Same bits
//
// The elements of chunk c are combined in the order c+1, c+2, …, c (mod n),
// from left to right. The owner of an element follows from Size, Count, Chunk
// and Align and from where the element stands in the walk, and from nothing
// else: not from Depth, not from timing. Two runs that differ in one of the
// former, or in which rank sits at which position of the ring, may round
// differently; two runs that differ in Depth only may not. All ranks get copies
// of the owner's bits.
//
// # Positions
//
// A plan speaks of positions in the ring: position p sends to p+1 and receives
// from p-1 (mod n). A caller that wants the ranks in another order, say to enter
// and leave each host once, maps positions to ranks itself.
package ring
