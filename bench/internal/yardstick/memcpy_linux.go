//go:build amd64 || arm64

package yardstick

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

// Memcpy is the C library's copy and its name: the memcpy of glibc, or Go's copy
// where glibc is not. dst and src are n bytes each that do not overlap. The
// function may be called concurrently and allocates nothing, but a call costs
// what going from Go to C does, about as much as copying a few KiB.
func Memcpy() (copy func(dst, src unsafe.Pointer, n int), name string) {
	library, err := purego.Dlopen("libc.so.6", purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return goCopy, goCopyName
	}
	memcpy, err := purego.Dlsym(library, "memcpy")
	if err != nil {
		return goCopy, goCopyName
	}
	return func(dst, src unsafe.Pointer, n int) {
		call(memcpy, [3]unsafe.Pointer{1: dst, 2: src}, 1, n)
	}, "glibc's memcpy"
}
