//go:build !windows

package tcp_test

func descriptor(fd uintptr) int { return int(fd) }
