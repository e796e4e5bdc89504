//go:build !windows

package tcp_test

import (
	"net"

	"golang.org/x/sys/unix"
)

// grip finds the descriptor of a connection, whoever owns it now. A copy of the
// descriptor would keep the connection open when its owner closes it.
type grip struct{ local, remote net.Addr }

func gripOn(conn net.Conn) grip { return grip{conn.LocalAddr(), conn.RemoteAddr()} }

// each calls f for every descriptor of the connection's.
func (g grip) each(f func(fd int)) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		panic(err)
	}
	for fd := range int(min(limit.Cur, 1<<12)) {
		remote, err := unix.Getpeername(fd)
		if err != nil || !is(remote, g.remote) {
			continue
		}
		if local, err := unix.Getsockname(fd); err == nil && is(local, g.local) {
			f(fd)
		}
	}
}

func is(a unix.Sockaddr, b net.Addr) bool {
	v4, ok := a.(*unix.SockaddrInet4)
	tcp, _ := b.(*net.TCPAddr)
	return ok && v4.Port == tcp.Port && tcp.IP.Equal(net.IP(v4.Addr[:]))
}

// hangUp ends the connection in both directions.
func (g grip) hangUp() { g.each(func(fd int) { _ = unix.Shutdown(fd, unix.SHUT_RDWR) }) }

// reset has the peer's system say that the connection was reset.
func (g grip) reset() {
	g.each(abort)
	g.hangUp()
}
