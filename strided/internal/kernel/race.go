//go:build race

package kernel

import (
	"runtime"
	"unsafe"
)

// The race detector does not see what assembly reads and writes.

func raceRead(p unsafe.Pointer, bytes int) {
	if bytes > 0 {
		runtime.RaceReadRange(p, bytes)
	}
}

func raceWrite(p unsafe.Pointer, bytes int) {
	if bytes > 0 {
		runtime.RaceWriteRange(p, bytes)
	}
}

const raceEnabled = true
