// Package guard protects what travels over any mesh, chunk by chunk.
//
//   - [Checksum] finds what a faulty cable, adapter, driver or memory has altered:
//     TCP's own 16 bits let one in 65536 random faults pass, shared memory has no
//     check at all.
//   - [Seal] keeps whoever can read or alter packets between hosts from learning or
//     forging anything but lengths and times.
//
// Both wrap a mesh and are a mesh. A chunk's protection lies in its header or beside its
// payload, so the wire below knows nothing of it and copies nothing more. The order of
// chunks is part of what is protected: one that is lost, repeated or moved is found as
// surely as one that is altered. What is wrong is reported and never handed on: the
// link's Next fails with a *transport.RankError that wraps transport.ErrCorrupt, now
// and ever after.
//
// Direct sends and fills are kept for checksums. Lending memory to the wire, and for
// sealed chunks everything that works on the caller's memory, is hidden. What a wire adds
// of its own, such as TCP's lengths, is not covered; TCP's has a sum of its own, so an
// altered one ends the link as well.
package guard
