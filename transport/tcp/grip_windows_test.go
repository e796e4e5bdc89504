package tcp_test

import "net"

// grip is a hold on a connection, which the mesh uses as it is on Windows.
type grip struct{ conn *net.TCPConn }

func gripOn(conn net.Conn) grip { return grip{conn.(*net.TCPConn)} }

func (g grip) hangUp() { g.conn.Close() }

func (g grip) reset() {
	g.conn.SetLinger(0) //nolint:errcheck // closed ones do not matter
	g.conn.Close()
}
