//go:build !linux && !darwin

package tcp

import (
	"net"
	"runtime"
)

func newFastWire(conn *net.TCPConn, _ *Config, _ *stalled) (wire, error) {
	return &netWire{conn: conn}, nil
}

// yieldThread lets others run: goroutines, for want of a way to reach threads.
func yieldThread() { runtime.Gosched() }
