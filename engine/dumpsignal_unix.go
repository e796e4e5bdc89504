//go:build unix

package engine

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// signalNamed is the signal of a name such as USR1 or SIGUSR1; nil if there is none.
func signalNamed(name string) os.Signal {
	if s := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG")); s != 0 {
		return s
	}
	return nil
}
