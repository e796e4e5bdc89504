//go:build !linux && !darwin

package bootstrap

// fill leaves the fields empty: this system has no identity of a running kernel
// that an unprivileged process can read.
func (h *Host) fill() {}
