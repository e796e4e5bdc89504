package engine

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTurn lets goroutines take the turn, some of which lose their patience: no
// two hold it at once, and it is free in the end.
func TestTurn(t *testing.T) {
	turn := newTurn()
	held, taken := 0, 0 // guarded by the turn; the race detector is the judge
	hold := func() {
		held++
		taken++
		require.Equal(t, 1, held)
		held--
		turn.give()
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 500 {
				switch (i + n) % 3 {
				case 0:
					turn.take()
					hold()
				case 1:
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n%7)*time.Microsecond)
					if turn.takeWithin(ctx) == nil {
						hold()
					}
					cancel()
				default:
					if turn.tryTake() {
						hold()
					}
				}
			}
		})
	}
	wg.Wait()
	require.True(t, turn.tryTake())
	require.Positive(t, taken)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, turn.takeWithin(ctx), context.Canceled)
	require.False(t, turn.tryTake())
	turn.give()
	require.True(t, turn.tryTake())
}
