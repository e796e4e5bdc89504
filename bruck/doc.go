// Package bruck plans collectives of few bytes in ceil(log2 n) rounds, for any
// number of ranks n: all-gather as J. Bruck et al. have it ("Efficient algorithms
// for all-to-all communications in multiport message-passing systems", 1997), and
// reduce-scatter as the same run backwards. A barrier is an all-gather of nothing.
// It does no I/O and knows no elements; the executor owns links and memory.
//
// # Blocks
//
// Every rank has a table of n blocks, in the order of places counted from its own:
// entry i of rank r's table is about rank (r+i) mod n. In the all-gather's round of
// distance d, which is 1, 2, 4, … below n, rank r knows the blocks [0,d) of its
// table. It sends the first m = min(d, n-d) of them to rank r-d, in whose table they
// are the blocks [d,d+m), and receives as many from r+d into [d,d+m). After the last
// round it has all.
//
// Backwards, a block that was handed on is a sum that is handed back: the table holds
// this rank's elements for everybody, the distances fall, and in the round of
// distance d rank r sends the blocks [d,d+m) to r+d and adds what comes from r-d to
// its blocks [0,m). Since every block came to every rank exactly once, every rank is
// in every sum exactly once, and at the end block 0, the rank's own, is complete.
//
// # What travels
//
// A rank sends (n-1)/n of the table in all, the least possible, in one message per
// round, each to another rank. Whoever has received the message of every round has
// heard, directly or through others, from every rank.
//
// # Deadlock
//
// None is possible with one slot per link: a rank sends one message to each other
// rank at most, and sends it before it waits for the round's message; so the earliest
// round that somebody waits in can always be completed.
//
// # Same bits
//
// A sum is the combination of this rank's partial sum, on the left, with what is
// received, and the rounds and ranks are fixed by n; so are the bits.
package bruck
