//go:build !amd64 || race

package shm

const streams = false

func copyPast(dst, src []byte) { copy(dst, src) }
