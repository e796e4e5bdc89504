package processor

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPass: whoever passes lets another goroutine run, locked to its thread or not, and
// whether it is asked first or not.
func TestPass(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, locked := range []bool{false, true} {
		for _, asked := range []int32{0, asks} {
			done := make(chan bool)
			go func() {
				if locked {
					runtime.LockOSThread()
				}
				asking.Store(asked)
				var ran atomic.Bool
				go ran.Store(true)
				times := 0
				for ; !ran.Load() && times < 100; times++ {
					Pass()
				}
				done <- times < 100
			}()
			require.True(t, <-done, "locked %v, asked %v", locked, asked)
		}
	}
}

func TestAnybodyReady(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stop atomic.Bool
	ended := make(chan struct{})
	go func() {
		for !stop.Load() {
			runtime.Gosched()
		}
		close(ended)
	}()
	require.True(t, anybodyReady())
	stop.Store(true)
	<-ended
	require.Eventually(t, func() bool { return !anybodyReady() }, 10e9, 1e6)
}
