//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// variable is memory of the program itself.
var variable [2 * leastRegion]byte

// TestRegister registers what may be, once, and nothing else.
func TestRegister(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	all, wires := meshes(t, 2, Config{SlotSize: 4 * leastRegion})
	closeAfter(t, all)
	defer wires.CloseLeft()
	m := all[0]
	end, err := m.Sender(context.Background(), 1, 0)
	require.NoError(t, err)
	s := end.(transport.Lender)

	heap := make([]byte, 4*leastRegion)
	require.False(t, s.CanLend(heap))
	for range 3 {
		m.Register(heap)
		m.Register(heap[100 : len(heap)-100])
	}
	require.Equal(t, int64(1), m.Registrations())
	require.True(t, s.CanLend(heap))
	require.True(t, s.CanLend(heap[len(heap)-1:]))
	require.False(t, s.CanLend(heap[:0]))

	foreign, err := ibv.Allocate(leastRegion)
	require.NoError(t, err)
	defer ibv.Free(foreign)
	for what, memory := range map[string][]byte{"not Go's": foreign, "a variable": variable[:], "too little": heap[:leastRegion-1]} {
		before := m.Registrations()
		m.Register(memory)
		require.Equal(t, before, m.Registrations(), what)
		require.Equal(t, what == "too little", s.CanLend(memory), what)
	}
	// As many others make the first one go.
	var others [mostRegions][]byte
	for i := range others {
		others[i] = make([]byte, leastRegion)
		m.Register(others[i])
	}
	require.False(t, s.CanLend(heap))
	require.True(t, s.CanLend(others[0]))
	require.Len(t, m.registry.regions, mostRegions)
}

// TestLend sends chunks in turns from slots and from where they are, over two queue
// pairs, and settles now and then.
func TestLend(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	const size = 2 * leastRegion
	all, wires := meshes(t, 2, Config{SlotSize: size, Settings: Settings{QPs: 2}})
	closeAfter(t, all)
	defer wires.CloseLeft()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	end, err := all[0].Sender(ctx, 1, 0)
	require.NoError(t, err)
	s := end.(transport.Lender)
	v, err := all[1].Receiver(ctx, 0, 0)
	require.NoError(t, err)
	memory := make([]byte, 16*size)
	for i := range memory {
		memory[i] = byte(i*7 + i>>8)
	}
	all[0].Register(memory)
	length := func(i int) int { return size - i*37%size }
	sent := make(chan error, 1)
	go func() {
		sent <- func() error {
			for i := range 48 {
				part := memory[i%16*size:][:length(i)]
				if i%3 == 0 {
					slot, err := s.Acquire(ctx)
					if err != nil {
						return err
					}
					if err := s.Commit(&transport.Header{byte(i)}, copy(slot, part)); err != nil {
						return err
					}
				} else if err := s.Lend(ctx, &transport.Header{byte(i)}, part); err != nil {
					return err
				}
				if i%10 == 9 {
					if err := s.Settle(ctx); err != nil {
						return err
					}
					if n := all[0].registry.open.Load(); n != 0 {
						t.Errorf("%d chunks are still lent", n)
					}
				}
			}
			return s.Settle(ctx)
		}()
	}()
	for i := range 48 {
		h, p, err := v.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, &transport.Header{byte(i)}, h)
		require.True(t, bytes.Equal(p, memory[i%16*size:][:length(i)]), "chunk %d", i)
		v.Release()
	}
	require.NoError(t, <-sent)
	_, err = s.Acquire(ctx)
	require.NoError(t, err)
	require.NoError(t, s.Lend(ctx, &transport.Header{48}, memory[:1]), "the acquired slot is given up")
	h, p, err := v.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, &transport.Header{48}, h)
	require.Equal(t, memory[:1], p)
	v.Release()
	require.NoError(t, s.Settle(ctx))
	require.Panics(t, func() { _ = s.Lend(ctx, &transport.Header{}, memory[:size+1]) }, "too long")
	require.ErrorIs(t, s.Lend(ctx, &transport.Header{}, make([]byte, leastRegion)), transport.ErrInvalid, "not registered")
}

// TestSettleAfterLoss: the peer dies while its adapter does not take what was lent to the
// link. Nothing of that is read any more when Settle returns, and it says why.
func TestSettleAfterLoss(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	const size = 2 * leastRegion
	all, wires := meshes(t, 2, Config{SlotSize: size, Settings: Settings{QPs: 2}})
	closeAfter(t, all)
	defer wires.CloseLeft()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	end, err := all[0].Sender(ctx, 1, 0)
	require.NoError(t, err)
	s := end.(*sender)
	memory := make([]byte, 4*size)
	all[0].Register(memory)
	for _, l := range all[1].ends[0].lanes { // requests are repeated in vain, for longer than the test may take
		require.NoError(t, l.qp.Fail())
	}
	for i := range 4 {
		require.NoError(t, s.Lend(ctx, &transport.Header{}, memory[i*size:][:size]))
	}
	brief, stop := context.WithTimeout(ctx, 20*time.Millisecond)
	defer stop()
	require.ErrorIs(t, s.Settle(brief), context.DeadlineExceeded)
	require.NotZero(t, all[0].registry.open.Load())
	all[1].kill()
	require.ErrorIs(t, s.Settle(ctx), transport.ErrPeerLost)
	require.Zero(t, all[0].registry.open.Load())
	require.NotContains(t, s.lent, true)
	require.ErrorIs(t, s.Settle(ctx), transport.ErrPeerLost, "it did not become well")
}
