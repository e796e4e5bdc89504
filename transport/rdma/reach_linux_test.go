//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
)

// reachAll has every rank ask for every other one, and returns the answers.
func reachAll(t *testing.T, all []*Mesh) map[[2]int]error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	answers := map[[2]int]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for rank, m := range all {
		for peer := range all {
			if peer != rank {
				wg.Go(func() {
					err := m.Reach(ctx, peer)
					mu.Lock()
					defer mu.Unlock()
					answers[[2]int{rank, peer}] = err
				})
			}
		}
	}
	wg.Wait()
	require.NoError(t, ctx.Err())
	return answers
}

func TestReach(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	all, wires := meshes(t, 3, Config{})
	closeAfter(t, all)
	defer wires.closeLeft()
	for range 2 { // the second time from memory
		for pair, err := range reachAll(t, all) {
			require.NoError(t, err, "%v", pair)
		}
	}
	roundTrip(t, all[:2])
}

// TestReachFails has one rank give an address at which nobody is. Both ranks of its pairs
// hear the same, with a remedy, and the others are spared.
func TestReachFails(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	const lost = 1
	all, wires := meshes(t, 3, Config{})
	closeAfter(t, all)
	defer wires.closeLeft()
	all[lost].nics[0].GID.Address = netip.MustParseAddr("::ffff:10.77.0.99")
	for pair, err := range reachAll(t, all) {
		if pair[0] != lost && pair[1] != lost {
			require.NoError(t, err, "%v", pair)
			continue
		}
		require.ErrorIs(t, err, transport.ErrUnavailable, "%v", pair)
		require.ErrorContains(t, err, "choose ports that are on one network with NCCL_IB_HCA")
		var re *transport.RankError
		require.ErrorAs(t, err, &re)
		require.Equal(t, pair[1], re.Rank)
	}
}

// TestReachEnds: who waits for an answer hears of the peer's end, of this mesh's, and of
// the context's.
func TestReachEnds(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	all, wires := meshes(t, 2, Config{})
	closeAfter(t, all)
	defer wires.closeLeft()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, all[1].Reach(ctx, 0), context.DeadlineExceeded, "rank 0 has not asked")
	roundTrip(t, all)
	time.AfterFunc(50*time.Millisecond, all[0].kill)
	require.ErrorIs(t, all[1].Reach(context.Background(), 0), transport.ErrPeerLost)
	require.ErrorIs(t, all[0].Reach(context.Background(), 1), transport.ErrClosed)
}
