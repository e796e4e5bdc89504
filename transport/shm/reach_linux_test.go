package shm

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/conformance"
)

func TestReach(t *testing.T) {
	all, _ := meshes(t, 4, Config{}, nil)
	closeAfter(t, all)
	for range 2 { // the second time from memory
		for pair, err := range conformance.ReachAll(t, all) {
			require.NoError(t, err, "%v", pair)
		}
	}
}

// TestReachFails makes one rank unable to find anybody's memory. Its pairs must
// both know it, whichever side fails, and the others be spared.
func TestReachFails(t *testing.T) {
	const blind = 1
	all, _ := meshes(t, 3, Config{}, func(rank int, sys *system) {
		if rank == blind {
			sys.open = func(*offer) (*os.File, error) { return nil, errors.New("eyes shut") }
		}
	})
	closeAfter(t, all)
	for pair, err := range conformance.ReachAll(t, all) {
		if pair[0] != blind && pair[1] != blind {
			require.NoError(t, err, "%v", pair)
			continue
		}
		require.ErrorIs(t, err, transport.ErrUnavailable, "%v", pair)
		require.ErrorContains(t, err, "eyes shut", "%v", pair)
		var re *transport.RankError
		require.ErrorAs(t, err, &re)
		require.Equal(t, pair[1], re.Rank)
	}
	_, err := all[0].Sender(t.Context(), blind, 3)
	require.ErrorIs(t, err, transport.ErrUnavailable)
	v, err := all[blind].Receiver(t.Context(), 0, 3)
	require.NoError(t, err)
	_, _, err = v.Next(t.Context())
	require.ErrorIs(t, err, transport.ErrUnavailable)
	require.ErrorContains(t, err, "eyes shut")
}

// TestSecondWay forbids the way through /proc, as a container does.
func TestSecondWay(t *testing.T) {
	var asked []way
	var mu sync.Mutex
	all, _ := meshes(t, 2, Config{}, func(_ int, sys *system) {
		open := sys.open
		sys.open = func(o *offer) (*os.File, error) {
			mu.Lock()
			asked = append(asked, o.way)
			mu.Unlock()
			if o.way == wayProc {
				o.pid = 1 << 30
			}
			return open(o)
		}
	})
	closeAfter(t, all)
	for pair, err := range conformance.ReachAll(t, all) {
		require.NoError(t, err, "%v", pair)
	}
	require.ElementsMatch(t, []way{wayProc, wayPass, wayProc, wayPass}, asked)
}

func TestReachDiffers(t *testing.T) {
	w := conformance.NewWires()
	var all []*Mesh
	for rank, cfg := range []Config{{SlotSize: 4096}, {SlotSize: 8192}} {
		cfg.Rank, cfg.Size = rank, 2
		m, err := New(cfg, w.Source(rank))
		require.NoError(t, err)
		all = append(all, m)
	}
	closeAfter(t, all)
	for pair, err := range conformance.ReachAll(t, all) {
		require.ErrorIs(t, err, transport.ErrInvalid, "%v", pair)
		require.ErrorContains(t, err, "give all ranks the same")
	}
}

func TestReachEnds(t *testing.T) {
	t.Run("context", func(t *testing.T) {
		all, _ := meshes(t, 2, Config{}, nil)
		closeAfter(t, all)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, all[0].Reach(ctx, 1), context.DeadlineExceeded) // rank 1 does not ask
	})
	t.Run("peer closes", func(t *testing.T) {
		all, _ := meshes(t, 2, Config{}, nil)
		closeAfter(t, all)
		go func() {
			time.Sleep(20 * time.Millisecond)
			all[1].Close()
		}()
		require.ErrorIs(t, all[0].Reach(t.Context(), 1), transport.ErrPeerLost)
	})
	t.Run("own close", func(t *testing.T) {
		all, _ := meshes(t, 2, Config{}, nil)
		closeAfter(t, all)
		go func() {
			time.Sleep(20 * time.Millisecond)
			all[0].Close()
		}()
		require.ErrorIs(t, all[0].Reach(t.Context(), 1), transport.ErrClosed)
	})
}

func TestOnlyPeers(t *testing.T) {
	all, _ := meshes(t, 3, Config{Peers: []int{}}, nil)
	closeAfter(t, all)
	_, err := all[0].Sender(t.Context(), 1, 0)
	require.ErrorIs(t, err, transport.ErrUnavailable)
	_, err = all[0].Receiver(t.Context(), 1, 0)
	require.ErrorIs(t, err, transport.ErrUnavailable)
	require.ErrorIs(t, all[0].Reach(t.Context(), 1), transport.ErrUnavailable)
}

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no rank":        {},
		"rank too large": {Rank: 2, Size: 2},
		"negative rank":  {Rank: -1, Size: 2},
		"slot size":      {Size: 2, SlotSize: -1},
		"huge slots":     {Size: 2, SlotSize: MaxSlotSize + 1},
		"one slot":       {Size: 2, Slots: 1},
		"many slots":     {Size: 2, Slots: MaxSlots + 1},
		"itself":         {Size: 2, Peers: []int{0}},
		"stranger":       {Size: 2, Peers: []int{2}},
	} {
		_, err := New(cfg, nil)
		require.ErrorIs(t, err, transport.ErrInvalid, name)
	}
}

func TestNoMemoryToShare(t *testing.T) {
	sys, err := localSystem()
	require.NoError(t, err)
	sys.create = func(nonce, int) (*os.File, error) { return nil, os.ErrPermission }
	_, err = newMesh(Config{Size: 2}, conformance.NewWires().Source(0), sys)
	require.ErrorIs(t, err, transport.ErrUnavailable)
	require.ErrorIs(t, err, os.ErrPermission)
}

// TestMemoryRunsOut lets the first file be made, which New tries, and no other.
func TestMemoryRunsOut(t *testing.T) {
	all, _ := meshes(t, 2, Config{}, func(rank int, sys *system) {
		create, made := sys.create, false
		if rank == 0 {
			sys.create = func(n nonce, size int) (*os.File, error) {
				if made {
					return nil, errors.New("full")
				}
				made = true
				return create(n, size)
			}
		}
	})
	closeAfter(t, all)
	for pair, err := range conformance.ReachAll(t, all) {
		require.ErrorIs(t, err, transport.ErrUnavailable, "%v", pair)
		require.ErrorContains(t, err, "full", "%v", pair)
	}
}
