//go:build !linux

package shm

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/transport"
)

func localSystem() (system, error) {
	return system{}, fmt.Errorf("shm: shared memory between processes is %w on %s, only on Linux so far", transport.ErrUnavailable, runtime.GOOS)
}

// The rest is never called, since there is no mesh.

func mapFile(*os.File, int) ([]byte, error)           { panic("shm: no system") }
func unmap([]byte)                                    {}
func retire([]byte, time.Duration)                    {}
func futexWait(*atomic.Uint32, uint32, time.Duration) {}
func futexWake(*atomic.Uint32)                        {}
func passFile(*offer, *os.File) (io.Closer, error)    { panic("shm: no system") }
