//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
)

// mixed sends chunks of mixed lengths, some of which take cells and some slots, with
// pauses of about the time that a wait polls, so that the receiver begins to watch and
// falls asleep again and again.
func mixed(t *testing.T, cfg Config, chunks int, pause time.Duration) *receiver {
	t.Helper()
	all, wires := meshes(t, 2, cfg)
	closeAfter(t, all)
	defer wires.CloseLeft()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := all[0].Sender(ctx, 1, 0)
	require.NoError(t, err)
	v, err := all[1].Receiver(ctx, 0, 0)
	require.NoError(t, err)
	length := func(i int) int {
		if i%50 < 30 {
			return i % (cellPayload + 1)
		}
		return i * 13 % all[0].SlotSize()
	}
	var both sync.WaitGroup
	var failed error
	both.Go(func() {
		rng := rand.New(rand.NewPCG(3, 4))
		for i := range chunks {
			slot, err := s.Acquire(ctx)
			if err != nil {
				failed = err
				return
			}
			var h transport.Header
			binary.LittleEndian.PutUint32(h[4*(i%headerParts):], uint32(i))
			for k := range length(i) {
				slot[k] = byte(i + k)
			}
			if err := s.Commit(&h, length(i)); err != nil {
				failed = err
				return
			}
			if pause > 0 && rng.IntN(12) == 0 {
				time.Sleep(time.Duration(rng.Int64N(int64(pause))))
			}
		}
	})
	for i := range chunks {
		h, payload, err := v.Next(ctx)
		require.NoError(t, err, "chunk %d", i)
		var want transport.Header
		binary.LittleEndian.PutUint32(want[4*(i%headerParts):], uint32(i))
		require.Equal(t, &want, h, "chunk %d", i)
		require.Len(t, payload, length(i), "chunk %d", i)
		for k := range payload {
			if payload[k] != byte(i+k) {
				t.Fatalf("chunk %d, byte %d: %d, want %d", i, k, payload[k], byte(i+k))
			}
		}
		v.Release()
	}
	both.Wait()
	require.NoError(t, failed)
	return v.(*receiver)
}

// TestMixedChunks: chunks in cells and in slots come in order, whatever their lengths,
// over one queue pair and several, and whether the receiver watches or sleeps.
func TestMixedChunks(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	t.Run("one after the other", func(t *testing.T) { mixed(t, Config{SlotSize: 3000}, 2000, 0) })
	t.Run("with pauses", func(t *testing.T) {
		mixed(t, Config{SlotSize: 3000, Spin: 200 * time.Microsecond}, 1000, 2*time.Millisecond)
	})
	t.Run("asleep", func(t *testing.T) {
		v := mixed(t, Config{SlotSize: 3000, Spin: -1, Slots: 2}, 500, time.Millisecond)
		require.False(t, v.watching)
	})
	t.Run("three queue pairs", func(t *testing.T) {
		mixed(t, Config{SlotSize: 3000, Slots: 3, Settings: Settings{QPs: 3}}, 1000, time.Millisecond)
	})
	t.Run("more slots than cells", func(t *testing.T) { mixed(t, Config{SlotSize: 500, Slots: 40}, 1000, 0) })
}

// TestWatching: the receiver watches the cells while short chunks come, and when it
// falls asleep the sender knows, so that the next chunk wakes it.
func TestWatching(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	all, wires := meshes(t, 2, Config{Spin: 50 * time.Millisecond})
	closeAfter(t, all)
	defer wires.CloseLeft()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s0, err := all[0].Sender(ctx, 1, 0)
	require.NoError(t, err)
	v0, err := all[1].Receiver(ctx, 0, 0)
	require.NoError(t, err)
	s, v := s0.(*sender), v0.(*receiver)
	send := func() {
		_, err := s.Acquire(ctx)
		require.NoError(t, err)
		require.NoError(t, s.Commit(&transport.Header{}, 8))
	}
	receive := func(ctx context.Context) error {
		_, _, err := v.Next(ctx)
		if err == nil {
			v.Release()
		}
		return err
	}
	for round := range 3 {
		for range watchAfter {
			send()
			require.NoError(t, receive(ctx))
		}
		require.True(t, v.watching, "round %d", round)
		require.Eventually(t, s.watched, 10*time.Second, time.Millisecond)
		for range 2 * signalEvery {
			send()
			require.NoError(t, receive(ctx))
		}
		brief, end := context.WithTimeout(ctx, 200*time.Millisecond) // longer than a wait polls
		require.ErrorIs(t, receive(brief), context.DeadlineExceeded)
		end()
		require.False(t, v.watching, "round %d", round)
		require.Eventually(t, func() bool { return !s.watched() }, 10*time.Second, time.Millisecond)
		time.AfterFunc(20*time.Millisecond, send)
		require.NoError(t, receive(ctx))
	}
}

// TestUnwatchAfterCancel: a wait that is cancelled before the sender's memory has heard
// that the cells are not watched any more leaves that to the next one.
func TestUnwatchAfterCancel(t *testing.T) {
	needDevice(t)
	resourcesAsBefore(t)
	all, wires := meshes(t, 2, Config{})
	closeAfter(t, all)
	defer wires.CloseLeft()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := all[0].Sender(ctx, 1, 0)
	require.NoError(t, err)
	end, err := all[1].Receiver(ctx, 0, 0)
	require.NoError(t, err)
	v := end.(*receiver)
	require.NoError(t, v.wait(ctx))
	v.call.Lock()
	defer v.call.Unlock()
	require.NoError(t, v.wish(true))
	over, stop := context.WithCancel(ctx)
	stop()
	drowsed, err := v.unwatch(over)
	require.NoError(t, err)
	require.True(t, drowsed)
	require.NotZero(t, v.telling)
	drowsed, err = v.unwatch(ctx)
	require.NoError(t, err)
	require.True(t, drowsed, "it goes on with that")
	require.Zero(t, v.telling)
	drowsed, err = v.unwatch(ctx)
	require.NoError(t, err)
	require.False(t, drowsed)
}
