//go:build !linux

package processor

// Change does nothing here.
func Change() {}
