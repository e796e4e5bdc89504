//go:build !unix

package bootstrap

import "net"

// hungUp cannot tell here; the first use of the connection does.
func hungUp(net.Conn) bool { return false }
