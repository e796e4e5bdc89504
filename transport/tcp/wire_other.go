//go:build !linux && !darwin

package tcp

import "net"

func newFastWire(conn *net.TCPConn, _ *Config, _ *stalled) (wire, error) {
	return &netWire{conn: conn}, nil
}
