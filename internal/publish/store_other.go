//go:build !amd64 || race

package publish

import "sync/atomic"

// Uint32 publishes v as *p.
func Uint32(p *atomic.Uint32, v uint32) { p.Store(v) }

// Uint64 publishes v as *p.
func Uint64(p *atomic.Uint64, v uint64) { p.Store(v) }
