//go:build !linux && !darwin

package tcp

import "net"

// setSystemOptions has nothing to set here; keepalive probes and the control
// plane's heartbeats find a lost peer.
func setSystemOptions(*net.TCPConn, uintptr, *Config) error { return nil }
