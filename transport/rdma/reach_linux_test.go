//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/conformance"
)

func TestReach(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	all, wires := meshes(t, 3, Config{})
	closeAfter(t, all)
	defer wires.CloseLeft()
	for range 2 { // the second time from memory
		for pair, err := range conformance.ReachAll(t, all) {
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
	defer wires.CloseLeft()
	all[lost].nics[0].GID.Address = netip.MustParseAddr("::ffff:10.77.0.99")
	for pair, err := range conformance.ReachAll(t, all) {
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
	defer wires.CloseLeft()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, all[1].Reach(ctx, 0), context.DeadlineExceeded, "rank 0 has not asked")
	roundTrip(t, all)
	time.AfterFunc(50*time.Millisecond, all[0].kill)
	require.ErrorIs(t, all[1].Reach(context.Background(), 0), transport.ErrPeerLost)
	require.ErrorIs(t, all[0].Reach(context.Background(), 1), transport.ErrClosed)
}
