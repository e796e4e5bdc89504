package faults

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStandstill(t *testing.T) {
	s := &standstill{}
	at := time.Now()
	s.note(at, time.Millisecond)
	s.note(at.Add(time.Second), 300*time.Millisecond)
	s.note(at.Add(2*time.Second), 100*time.Millisecond)
	require.Equal(t, 300*time.Millisecond, s.since(at))
	require.Equal(t, 100*time.Millisecond, s.since(at.Add(time.Second)))
	require.Zero(t, s.since(at.Add(2*time.Second)))
	running := newStandstill()
	running.stop()
}

// A part of the communicator may be given up by a rank that the whole keeps, or not come
// to; the whole may not.
func TestJudgeParts(t *testing.T) {
	struck := time.Now()
	of := func(part bool, cause Cause, named int) *finding {
		closed := &told{when: struck.Add(time.Second)}
		failed := told{Event: Event{Phase: "calls", Part: part, Cause: cause, Named: named}, when: closed.when}
		fates := []*fate{{rank: 0, failed: []told{failed}, closed: closed}, {rank: 1, closed: closed}}
		return judge(&trial{Order: Order{Size: 2, Calls: 1}, victim: 1, limit: 3 * time.Second}, &outcome{struck: struck, fates: fates})
	}
	require.False(t, of(true, TimedOut, 0).misname)
	require.True(t, of(true, PeerLost, 0).misname)
	require.True(t, of(false, TimedOut, 0).misname)
	require.False(t, of(false, TimedOut, 1).misname)
}
