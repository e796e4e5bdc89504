//go:build !race

package shm

import "unsafe"

// stream copies n bytes past the caches, and what it has written is there for whoever
// sees what is written after it. dst is a multiple of 16, n one of 64 and not 0.
//
//go:noescape
func stream(dst, src unsafe.Pointer, n int)

// copyPast copies all of src to the beginning of dst, past the caches.
func copyPast(dst, src []byte) {
	if len(src) == 0 {
		return
	}
	_ = dst[len(src)-1]
	head := int(-uintptr(unsafe.Pointer(&dst[0])) % line)
	body := (len(src) - head) / line * line
	if body <= 0 {
		copy(dst, src)
		return
	}
	copy(dst, src[:head])
	stream(unsafe.Pointer(&dst[head]), unsafe.Pointer(&src[head]), body)
	copy(dst[head+body:], src[head+body:])
}
