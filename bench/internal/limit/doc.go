// Package limit measures what a medium can carry: the bytes that a collective
// sends and receives per rank, in both directions at once, through plain sockets
// or a shared segment, without reduction, order or agreement. An implementation
// that came close would spend its time in nothing but moving bytes.
//
// It is one more contender, in processes of its own, and speaks the protocol of
// package peers.
package limit
