//go:build unix

package bootstrap

import (
	"net"
	"syscall"
)

// hungUp reports whether the peer of a connection that nobody has read from yet
// has closed it without sending anything, as a dialer does that gave up.
func hungUp(conn net.Conn) bool {
	if sealed, ok := conn.(*sealedConn); ok {
		conn = sealed.Conn
	}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	var over bool
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		over = n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EINTR
		return true
	})
	return err == nil && over
}
