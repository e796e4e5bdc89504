package launch

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// processStart tells when a living process was started.
func processStart(pid int) (string, bool) {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(p.Proc.P_pid) != pid {
		return "", false
	}
	return fmt.Sprintf("%d.%06d", p.Proc.P_starttime.Sec, p.Proc.P_starttime.Usec), true
}

// launcherProcess identifies the process that started the ranks, if asked for.
func launcherProcess(orParent bool) string {
	if !orParent {
		return ""
	}
	pid := os.Getppid()
	start, _ := processStart(pid)
	return strconv.Itoa(pid) + " " + start
}
