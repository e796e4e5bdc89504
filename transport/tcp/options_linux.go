package tcp

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// setSystemOptions has the system give up a connection whose sent bytes stay
// unacknowledged, and keeps it from pacing bytes that never leave this machine.
func setSystemOptions(conn *net.TCPConn, fd uintptr, cfg *Config) error {
	if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(cfg.UserTimeout.Milliseconds())); err != nil {
		return fmt.Errorf("TCP_USER_TIMEOUT: %w", err)
	}
	if sameHost(conn) {
		// Nothing is lost or queued between two sockets of one machine, but a
		// congestion control that estimates the path's bandwidth, such as bbr,
		// paces there as well and costs a third of the throughput and more. Reno
		// does not, and is always there; if it is not allowed, nothing is lost.
		_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
	}
	return nil
}
