// Package doubling plans an all_reduce by recursive doubling: whole tensors are
// exchanged in a number of rounds that grows with the logarithm of the world
// size. It is for tensors so small that the number of hops decides. Like package
// ring it does no I/O and knows no element type.
//
// # Rounds
//
// Write n for the number of ranks and p for the largest power of two that is not
// above n. In round k the rank at place q exchanges what it has with the rank at
// place q xor 2^k, and both add it up: after log2 p rounds everybody has the sum
// of all.
//
// If n is not a power of two, there are n-p ranks too many. The first 2(n-p)
// ranks form pairs: before the first round the odd one sends its elements to the
// even one, which adds them to its own, and after the last round it gets the
// result. The even ones and the ranks after the pairs are the p places. This is
// the schedule of R. Thakur, R. Rabenseifner and W. Gropp, "Optimization of
// collective communication operations in MPICH" (2005).
//
// # Same bits
//
// What a rank has in any round is the combination of a contiguous run of ranks,
// and it is combined with the neighbouring run of the same number of places, the
// lower ranks on the left. So all ranks evaluate the same balanced tree of
// additions, and each gets the same bits without being sent them.
//
// # Agreement
//
// A rank passes on only what it has compared with its own call, and has the
// result only when what every rank sent has been compared by somebody on the
// way. So nothing is written to a destination before all ranks are known to be
// in the same call.
package doubling
