//go:build amd64 || arm64

package shm

import "unsafe"

// spin watches *p until it differs from old, looking n times at most and at
// least once, and reports whether it does. In between it tells the processor
// that it spins.
//
// The word may lie in shared memory, where the race detector looks for nothing.
//
//go:noescape
func spin(p *uint32, old, n uint32) bool

// own asks the processor for the 128 bytes at p, which it is about to write, and does not
// wait for them.
//
//go:noescape
func own(p unsafe.Pointer)

// prefetch asks the processor for the cache line at p, which is about to be read, and does
// not wait for it.
//
//go:noescape
func prefetch(p unsafe.Pointer)
