package launch

import (
	"io"
	"os"
)

// watchVariable tells a process that its standard input is the launcher's pipe.
const watchVariable = "MONEL_BENCH_LAUNCHED"

// Launched reports whether this process was started by a Job.
func Launched() bool { return os.Getenv(watchVariable) == "1" }

// WatchLauncher calls gone, once and on another goroutine, when the launcher of
// this process has ended, however it ended: its end of the standard input's
// pipe is closed then. In a process that no Job started it does nothing.
func WatchLauncher(gone func()) {
	if !Launched() {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		gone()
	}()
}
