//go:build !amd64 && !arm64

package shm

import (
	"sync/atomic"
	"unsafe"
)

// spin watches *p until it differs from old, looking n times at most and at
// least once, and reports whether it does.
func spin(p *uint32, old, n uint32) bool {
	for {
		if atomic.LoadUint32(p) != old {
			return true
		}
		if n <= 1 {
			return false
		}
		n--
	}
}

// own and prefetch do nothing here.
func own(unsafe.Pointer)      {}
func prefetch(unsafe.Pointer) {}
