// Package tree plans collectives along trees of ranks: from whom this rank
// takes each chunk, what it does with it, and to whom it hands it on. It does no
// I/O, knows no element type and allocates nothing that grows with the tensor;
// the executor that owns links and memory follows the plan.
//
// # Trees
//
// A tree is rooted at Config.Root and spans all ranks. Two shapes serve broadcast and
// reduce, at the two ends of the range of sizes:
//
//   - Binomial: the ranks that a rank is responsible for are a consecutive run;
//     it hands the farther half to the first rank of that half and keeps the
//     nearer one, until it is alone. No rank is more than ceil(log2 n) hops from
//     the root, and with one message at a time all n ranks are reached in
//     ceil(log2 n) rounds, which is the least possible. But the root sends
//     everything ceil(log2 n) times.
//   - Chain: each rank hands on to the next. Every rank sends everything at most
//     once, which is the least possible, and as chunks follow one another all
//     links are busy at once; but the last rank is n-1 hops away.
//
// Choose picks one of them by size. A third one is for callers whose messages cost
// next to nothing:
//
//   - Flat: the root sends to all others itself. Nobody is more than one hop away.
//
// # Chunks
//
// The count is cut into chunks of Chunk elements, the last one shorter. They
// stream: a rank hands on a chunk before it waits for the next. All of a rank's
// links carry the same messages in the same order, one per chunk.
//
// # Deadlock
//
// None is possible with one slot per link or more. Links lead away from the
// root; a rank waits either for a chunk of its parent or for a slot held by one
// of its children. Take any state in which nobody can move, and a rank that
// waits for a slot and has no descendant that does too: the child that holds the
// slot has a chunk to take and nothing to wait for, so it can move after all. So
// nobody waits for a slot, and the rank nearest to the root that is not done
// waits for a chunk of a parent which is done, and which has sent it. As for the
// ring, whose documentation argues it in full, the outcome is the same for every
// interleaving, and operations may follow one another on the same links.
//
// # Same bits
//
// A broadcast combines nothing: every rank gets the root's bits whatever the
// shape of the tree and the size of the chunks.
//
// # Positions
//
// A plan speaks of positions. A caller that wants the ranks in another order,
// say to keep the ranks of one host together, maps positions to ranks itself. A
// subtree of either shape is a consecutive run of positions, counted from the
// root around, so that ranks which sit side by side stay in one subtree.
package tree
