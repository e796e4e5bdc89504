package tcp

import (
	"net"
	"time"
)

// setOptions prepares a connection's socket.
func setOptions(conn *net.TCPConn, cfg *Config) error {
	if err := conn.SetNoDelay(true); err != nil {
		return err
	}
	const probes = 4
	if err := conn.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable:   true,
		Idle:     max(time.Second, cfg.UserTimeout/2),
		Interval: max(time.Second, cfg.UserTimeout/(2*probes)),
		Count:    probes,
	}); err != nil {
		return err
	}
	if cfg.SendBuffer > 0 {
		if err := conn.SetWriteBuffer(cfg.SendBuffer); err != nil {
			return err
		}
	}
	if cfg.ReceiveBuffer > 0 {
		if err := conn.SetReadBuffer(cfg.ReceiveBuffer); err != nil {
			return err
		}
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = setSystemOptions(conn, fd, cfg) }); err != nil {
		return err
	}
	return failed
}
