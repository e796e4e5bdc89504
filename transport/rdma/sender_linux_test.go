//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// loneMesh is rank 0 of a world of two, without devices, and its peer.
func loneMesh(t *testing.T) (*Mesh, *peer) {
	t.Helper()
	cfg := Config{Size: 2}
	require.NoError(t, cfg.fill())
	m := &Mesh{cfg: cfg, conns: map[*conn]struct{}{}, peers: make([]*peer, 2)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	t.Cleanup(m.cancel)
	m.peers[1] = newPeer(m, 1)
	return m, m.peers[1]
}

// TestFailedWritesReturnMemory: what a request was to read is its owner's again when the
// adapter has given the request up, and when the queue pair is no more.
func TestFailedWritesReturnMemory(t *testing.T) {
	m, p := loneMesh(t)
	const slots = 4
	s := &sender{end: end{peer: p, alarm: -1, lanes: []lane{{nic: &nic{}, qp: &ibv.QP{}}}}, writing: make([]bool, slots), lent: make([]bool, slots)}
	s.look, s.gone, s.destroyed = s.poll, s.over, s.returnAll
	for i := range slots {
		s.writing[i], s.lent[i] = true, i > 0
	}
	m.registry.open.Store(slots - 1)
	statuses := []ibv.Status{ibv.RetryExceededError, ibv.FlushError}
	for i, status := range statuses { // those of slots 0 and 1, and of a receive
		require.Error(t, s.completed(&ibv.WC{ID: laneID(0) | uint64(i+1)<<32 | 1, Status: status}))
		require.Error(t, s.completed(&ibv.WC{ID: laneID(0), Status: ibv.FlushError}))
	}
	var ce *CompletionError
	require.ErrorAs(t, s.broken, &ce)
	require.Equal(t, statuses[0], ce.Status, "the first one says why")
	require.Equal(t, []bool{false, false, true, true}, s.writing)
	require.Equal(t, []bool{false, false, true, true}, s.lent)
	require.Equal(t, int64(2), m.registry.open.Load())
	require.NoError(t, s.completed(&ibv.WC{ID: laneID(0) | 3<<32 | 3}))
	require.NoError(t, s.completed(&ibv.WC{ID: laneID(0) | 4<<32 | 4}))
	require.NotContains(t, s.lent, true)
	require.ErrorAs(t, s.Settle(context.Background()), &ce, "the last writes have succeeded, the first has not")
	s.lent[3] = true
	m.registry.open.Store(1)
	s.lanes = nil
	require.NoError(t, s.destroy(time.Time{}, 0))
	require.Zero(t, m.registry.open.Load())
	require.ErrorIs(t, s.Settle(context.Background()), transport.ErrClosed)
}

// TestReasonWithoutEnd: where the end for a link cannot be made, receivers hear why.
func TestReasonWithoutEnd(t *testing.T) {
	m, p := loneMesh(t)
	r := p.receiver(3)
	require.NoError(t, r.destroy(time.Time{}, 0))
	reason := errors.New("no memory may be locked")
	r.meet(reason)
	for range 2 {
		_, _, err := r.Next(context.Background())
		require.ErrorIs(t, err, reason)
	}
	m.cancel()
	_, _, err := r.Next(context.Background())
	require.ErrorIs(t, err, transport.ErrClosed)
}

// TestNapsGoOn: after a sleep was prepared, naps are short at first and get longer, also
// from a wait that is cancelled to the next one.
func TestNapsGoOn(t *testing.T) {
	_, p := loneMesh(t)
	drowses := 0
	e := &end{peer: p, alarm: -1, nap: napTime, spin: spin{limit: -1}}
	e.gone = func() error { return nil }
	e.drowse = func(context.Context) (bool, error) { drowses++; return drowses == 1, nil }
	for _, want := range []int{4 * firstNap, 16 * firstNap} {
		ctx, cancel := context.WithCancel(context.Background())
		looks := 0
		e.look = func() (bool, error) {
			if looks++; looks == 4 { // two for each sleep
				cancel()
			}
			return false, nil
		}
		require.ErrorIs(t, e.await(ctx), context.Canceled)
		require.Equal(t, want, e.nap)
	}
}
