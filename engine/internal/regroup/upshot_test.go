package regroup

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWatch: who watches hears of the first who has given up, before or after it came, and
// of nothing else.
func TestWatch(t *testing.T) {
	h := NewHall(0)
	give := func(rank int, name string) {
		a := hear(h.Arrive(rank, Proposal{Topic: name, GaveUp: true, Own: []byte{byte(rank)}}))
		require.NoError(t, a.Err)
	}
	var heard []GivenUp
	watch := func(name string) (stop func()) {
		return h.Watch(name, func(g GivenUp) { heard = append(heard, g) })
	}
	stop := watch("a")
	give(1, "b")
	require.Empty(t, heard)
	give(2, "a")
	require.Equal(t, []GivenUp{{2, []byte{2}}}, heard)
	stop()
	give(3, "a") // of one that is there, or has failed: nobody will ask
	give(4, "b")
	heard = nil
	watch("b")()
	require.Equal(t, []GivenUp{{1, []byte{1}}}, heard)
	watch("b")()
	require.Len(t, heard, 1)
	require.Empty(t, h.topics)
	require.Empty(t, h.visits)
	require.Empty(t, h.upshot.watched)
	h.Close()
	require.Error(t, hear(h.Arrive(1, Proposal{Topic: "c", GaveUp: true})).Err)
}

// TestWatchForgets: what nobody asks for is forgotten in time, and bounded.
func TestWatchForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHall(0)
		give := func(n int) { hear(h.Arrive(1, Proposal{Topic: fmt.Sprint(n), GaveUp: true})) }
		for n := range mostRemembered + 10 {
			give(n)
		}
		require.Len(t, h.upshot.early, mostRemembered)
		time.Sleep(rememberedTime + time.Second)
		give(-1)
		require.Len(t, h.upshot.early, 1)
	})
}
