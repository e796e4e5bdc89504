//go:build !linux && !darwin

package launch

import (
	"os"
	"strconv"
)

// processStart cannot tell; the process is taken to live.
func processStart(int) (string, bool) { return "", true }

// launcherProcess identifies the process that started the ranks, if asked for.
func launcherProcess(orParent bool) string {
	if !orParent {
		return ""
	}
	return strconv.Itoa(os.Getppid())
}
