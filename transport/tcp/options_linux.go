package tcp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// setSystemOptions has the system give up a connection whose sent bytes stay
// unacknowledged.
func setSystemOptions(fd uintptr, cfg *Config) error {
	if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(cfg.UserTimeout.Milliseconds())); err != nil {
		return fmt.Errorf("TCP_USER_TIMEOUT: %w", err)
	}
	return nil
}
