//go:build !linux || !(amd64 || arm64)

package yardstick

import "unsafe"

// Memcpy is the C library's copy and its name; here it is Go's own, because the C
// library is loaded on Linux only, where its name and the way to call it are
// known. dst and src are n bytes each that do not overlap. The function may be
// called concurrently and allocates nothing.
func Memcpy() (copy func(dst, src unsafe.Pointer, n int), name string) {
	return goCopy, goCopyName
}
