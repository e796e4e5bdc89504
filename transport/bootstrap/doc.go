// Package bootstrap brings the ranks of a communicator together and watches
// over them until it is closed.
//
// It works in four steps, each on top of the one before:
//
//   - An [ID] names the root, where the ranks meet, and carries the secret that
//     every connection must prove before a byte of it is believed.
//   - The root ([NewRoot]) gathers a greeting from every rank, checks that they
//     fit together, and hands everybody the same [Table]. When they do not fit,
//     or some do not come, every waiting rank gets the same [WorldError].
//   - A [Session] is one rank's place in that table: it opens and accepts
//     authenticated connections to and from the other ranks.
//   - A [Control] is the star of connections through rank 0, the coordinator:
//     heartbeats, the one verdict on what failed first, orderly leaving, and
//     messages of the layer above.
//
// [Connect] does all four.
//
// # Trust
//
// Whoever knows the secret is a member of the job and is trusted to be one;
// what a member sends is still validated before use, because a bug is as good
// as an attack. Whoever does not know it gets nothing: no reply that depends on
// the secret, a few hundred bytes of memory, and a few seconds. What ranks say on
// connections for rendezvous, control and meetings is encrypted and authenticated.
// Connections for data are authenticated when they are made and handed to their
// transports as they are; Session.LinkKey gives keys to protect what they carry.
// SECURITY.md has the whole.
package bootstrap
