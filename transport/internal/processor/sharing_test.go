package processor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// movesIn counts the moves in so many waits that all find the peer on the same
// processor.
func (s *Sharing) movesIn(waits int) (moves int) {
	for range waits {
		if s.Together() {
			moves++
		}
	}
	return moves
}

// TestSharing: a move comes early, in vain they become rare, and once the two
// ends have run apart for a while the next comes early again.
func TestSharing(t *testing.T) {
	var s Sharing
	require.Zero(t, s.movesIn(leastPatience-1))
	s.Apart()
	require.Zero(t, s.movesIn(leastPatience-1), "not in a row")
	require.Equal(t, 1, s.movesIn(1))
	require.Less(t, s.movesIn(1_000_000), 300)

	for range calmWaits - 1 {
		s.Apart()
	}
	require.Zero(t, s.movesIn(leastPatience))
	for range calmWaits {
		s.Apart()
	}
	require.Equal(t, 1, s.movesIn(leastPatience))
}
