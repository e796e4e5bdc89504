package shm

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSleepLooksAgain: a peer that has published a word just before this side went to
// sleep may not have seen that it does, and wakes nobody.
func TestSleepLooksAgain(t *testing.T) {
	var word, sleeps atomic.Uint32
	e := &end{peer: &peer{mesh: &Mesh{}}, sleeps: &sleeps}
	done := make(chan error)
	go func() { done <- e.sleep(t.Context(), &word, 0) }()
	for sleeps.Load() == 0 {
		runtime.Gosched()
	}
	word.Store(1)
	require.NoError(t, <-done)
	require.Zero(t, sleeps.Load())
}
