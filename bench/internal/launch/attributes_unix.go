//go:build unix && !linux

package launch

import "syscall"

// attributes of a rank's process: its own process group, so that Ctrl-C reaches
// it once, through the launcher.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
