package tcp

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// setSystemOptions keeps a write to a lost peer from raising a signal, which in
// a process whose main program is not Go's would end the process.
func setSystemOptions(_ *net.TCPConn, fd uintptr, _ *Config) error {
	if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NOSIGPIPE, 1); err != nil {
		return fmt.Errorf("SO_NOSIGPIPE: %w", err)
	}
	return nil
}
