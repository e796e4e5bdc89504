//go:build !linux

package processor

import "runtime"

// Yield lets others run: goroutines, for want of a way to reach threads.
func Yield() { runtime.Gosched() }
