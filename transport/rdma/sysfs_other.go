//go:build !linux

package rdma

// Ports lists the ports of this machine's RDMA devices: none that could be used.
func Ports() []Port { return nil }
