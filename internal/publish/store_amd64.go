//go:build !race

package publish

import "sync/atomic"

// Uint32 publishes v as *p.
//
//go:noescape
func Uint32(p *atomic.Uint32, v uint32)

// Uint64 publishes v as *p.
//
//go:noescape
func Uint64(p *atomic.Uint64, v uint64)
