package agree

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestStopWakes: contexts derived from a Stop, and functions to be called after
// it, need no goroutine until it fires.
func TestStopWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStop(nil, 0)
		before := runtime.NumGoroutine()
		var first, second, third, late int
		stopFirst := context.AfterFunc(s, func() { first++ })
		stopSecond := s.AfterFunc(func() { second++ })
		s.AfterFunc(func() { third++ })
		derived, cancel := context.WithCancel(s)
		defer cancel()
		require.Equal(t, before, runtime.NumGoroutine())
		require.True(t, stopFirst())
		require.True(t, stopSecond())
		require.False(t, stopSecond(), "it has been taken back already")

		cause := errors.New("cause")
		s.fire(cause)
		synctest.Wait()
		require.Equal(t, []int{0, 0, 1}, []int{first, second, third})
		require.ErrorIs(t, derived.Err(), cause)
		stopLate := s.AfterFunc(func() { late++ })
		synctest.Wait()
		require.Equal(t, 1, late)
		require.False(t, stopLate())
	})
}
