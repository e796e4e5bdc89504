// Package shm is the transport between processes of one host: each directed
// link is a ring of slots in a memory segment that both processes map, so a
// chunk is written once by its sender, in place, and read where it lies by its
// receiver. It needs Linux; elsewhere New returns an error that wraps
// transport.ErrUnavailable.
//
// Short chunks take no slot: they lie beside their description, of which a link
// has 64, so a sender may be that far ahead of its receiver.
//
// # Segments
//
// The sender of a link makes its segment: an anonymous memory file
// (memfd_create) whose size is sealed, or, where the kernel or a sandbox refuses
// those, a file in /dev/shm whose name is removed before anybody else learns of
// it. Either way the segment has no name, is accessible to nobody else, does
// not depend on the size of /dev/shm in the first case, and vanishes with the
// last process that maps it, however that ends.
//
// The receiver finds it by what the sender says over an authenticated
// connection from a ConnSource: through /proc/PID/fd, or, where processes do
// not see each other (containers, other users), by having the descriptor passed
// over a Unix socket with an unguessable name and a token. If neither works,
// both sides say so with an error that wraps transport.ErrUnavailable; Reach
// asks beforehand. The connection stays open for as long as the mesh does: its
// end is how the death of the peer is noticed.
//
// # Waiting
//
// A rank that waits watches a word of the segment for some microseconds, then
// lets other goroutines and other processes run in between, and soon sleeps in
// the kernel (futex) until the peer, which sees that it sleeps, wakes it. How
// long it watches adapts to whether other work is waiting for the processor, so
// more ranks than cores do not burn each other's time, and an idle rank uses
// none. Two ranks that take turns on one processor, though there are enough for
// all ranks of the host, part: one of them moves its thread (processor.Sharing).
//
// # Trust
//
// The peer has proved knowledge of the job's secret, and could read and write
// the segment anyway. Still every number read from it is copied, then checked,
// then used, so that a confused peer gives an error wrapping
// transport.ErrProtocol and not a crash.
package shm
