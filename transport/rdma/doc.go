// Package rdma is the transport over InfiniBand and RoCE adapters, through
// libibverbs, which is loaded at run time. It needs Linux; elsewhere, and without
// the library or a port that is up, New returns an error that wraps
// transport.ErrUnavailable and says what is missing.
//
// # Links
//
// A link has slots of registered memory on both sides, as many on one as on the
// other, and one or more reliable connected queue pairs. A chunk is one RDMA
// write: from a slot of the sender to the same slot of the receiver, payload and
// head in one piece, with the chunk's number as the immediate value that makes the
// receiver's adapter report it. Numbers go up by one; chunk i uses slot i modulo
// their number and queue pair i modulo theirs, so chunks that arrive over
// different queue pairs in another order fall into place.
//
// The receiver gives slots back by telling how many chunks it has released so
// far, a message without data over the first queue pair. It does so for several
// at once: a link has twice as many slots as it promises, and only what goes
// beyond the promise may be released and not told.
//
// Short chunks take one of the link's cells instead of a slot, chunk i cell i modulo
// their number. They are written inline, and the receiver sees by looking at the cell
// that one is there. A receiver that watches its cells tells the sender, which then
// writes without an immediate value; before it sleeps it takes that back.
// A receiver whose adapter does not write words as cells need them, one made of software
// on arm64, has none, and says so when it answers the offer.
//
// # Meeting
//
// The sender of a link describes its queue pairs over an authenticated connection
// from a ConnSource, and the receiver's mesh answers with its own and with where
// its slots are, without anybody there having asked for the link. The connection
// stays open for as long as the mesh does: its end is how the death of a peer is
// noticed at once. A mesh that closes first waits until the peers' adapters have
// acknowledged everything, and says how many chunks there were.
//
// # Waiting
//
// Each end has a completion queue of its own, which the goroutine that uses the
// end polls, looking at the cell that is due in between: no other takes part. A wait polls for a while, then gives way to
// others between looks, and where that has not paid lately it asks the queue for
// an event and sleeps.
//
// # Memory that is not the mesh's
//
// Senders are transport.Lenders: they send from memory of Go's heap (Register), from
// memory that its owner speaks for (Keep), and from the memory of GPUs (RegisterDevice).
// Nothing is received but into slots.
//
// # When it goes wrong
//
// A request that fails gives a *CompletionError, a port that stays down for some
// seconds or a device that is removed a *PortError. Memory that may not be locked,
// and whatever else the system refuses, is an error of New or Sender that says what
// to do about it.
package rdma
