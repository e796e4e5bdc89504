package launch

import "syscall"

// attributes of a rank's process: its own process group, so that Ctrl-C reaches
// it once, through the launcher, and death with the launcher, however that dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
