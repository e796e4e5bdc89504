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
	send, receive := cfg.SendBuffer, cfg.ReceiveBuffer
	if sameHost(conn) {
		// The path is as long as it ever gets, so there is nothing to adapt to: the
		// system takes at once what the slots hold.
		all := max(cfg.Slots*cfg.SlotSize, DefaultSlots*DefaultSlotSize)
		def(&send, all)
		def(&receive, all)
	}
	if send > 0 {
		if err := conn.SetWriteBuffer(send); err != nil {
			return err
		}
	}
	if receive > 0 {
		if err := conn.SetReadBuffer(receive); err != nil {
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

// sameHost says whether both ends of a connection have the same address, as
// connections within a machine do whichever of its addresses they use.
func sameHost(conn *net.TCPConn) bool {
	local, ok1 := conn.LocalAddr().(*net.TCPAddr)
	remote, ok2 := conn.RemoteAddr().(*net.TCPAddr)
	return ok1 && ok2 && (local.IP.Equal(remote.IP) || local.IP.IsLoopback() && remote.IP.IsLoopback())
}
