//go:build !linux

package affinity

// Bind reports that threads cannot be bound here.
func Bind(_, _ int) bool { return false }
