package shm

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
)

// pattern is what chunk id consists of, which no other chunk of the test does.
func pattern(b []byte, id uint32) {
	for i := range b {
		b[i] = byte(uint32(i)*7 + id*31 + id>>8)
	}
}

// TestMixedChunks sends chunks that lie in cells, in notes and in slots in any order,
// as far ahead of the receiver as the link lets it, and compares every byte.
func TestMixedChunks(t *testing.T) {
	for _, cfg := range []Config{{}, {SlotSize: 100, Slots: 2}, {SlotSize: 5000, Slots: 3}, {SlotSize: 8 << 10, Slots: MaxSlots}} {
		all, _ := meshes(t, 2, cfg, nil)
		closeAfter(t, all)
		s, r := linkOf(t, all)
		g := s.seg.geometry
		rng := rand.New(rand.NewPCG(1, uint64(g.slotSize)))
		sizes := []int{0, 1, smallSize, smallSize + 1, g.noteSize(), g.noteSize() + 1, g.slotSize}
		var inFlight []int
		var sent, received uint32
		wasFull, inSlots := 0, 0
		full := func() bool { return s.most == inSlots || len(inFlight) >= cells-tellEvery+1 }
		for range 2000 {
			if !full() && rng.IntN(100) < 60 {
				n := min(sizes[rng.IntN(len(sizes))], g.slotSize)
				slot, err := s.Acquire(t.Context())
				require.NoError(t, err)
				require.Len(t, slot, g.slotSize)
				pattern(slot[:n], sent)
				pattern(slot[n:min(n+200, len(slot))], ^sent) // not to be seen
				require.NoError(t, s.Commit(&transport.Header{byte(sent), byte(sent >> 8)}, n))
				sent++
				inFlight = append(inFlight, n)
				if s.seg.takesSlot(n) {
					inSlots++
				}
				continue
			}
			if full() {
				wasFull++
			}
			if len(inFlight) == 0 {
				continue
			}
			h, payload, err := r.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, transport.Header{byte(received), byte(received >> 8)}, *h)
			want := make([]byte, inFlight[0])
			pattern(want, received)
			require.Equal(t, want, payload)
			if s.seg.takesSlot(len(want)) {
				inSlots--
			}
			r.Release()
			received++
			inFlight = inFlight[1:]
		}
		require.Positive(t, wasFull, "the link was never full")
	}
}

// TestFarAhead commits short chunks that nobody receives. Their number is bounded, and
// they leave the slots to longer ones.
func TestFarAhead(t *testing.T) {
	for _, n := range []int{0, 8, smallSize, mostNote} {
		all, _ := meshes(t, 2, Config{}, nil)
		closeAfter(t, all)
		s, r := linkOf(t, all)
		for id := range uint32(cells - DefaultSlots) {
			slot, err := s.Acquire(t.Context())
			require.NoError(t, err)
			pattern(slot[:n], id)
			require.NoError(t, s.Commit(&transport.Header{}, n))
		}
		for range DefaultSlots {
			_, err := s.Acquire(t.Context())
			require.NoError(t, err)
			require.NoError(t, s.Commit(&transport.Header{}, DefaultSlotSize))
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Acquire(ended)
		require.ErrorIs(t, err, context.Canceled, "the link holds %d chunks", cells)
		for id := range uint32(cells - DefaultSlots) {
			_, payload, err := r.Next(t.Context())
			require.NoError(t, err)
			want := make([]byte, n)
			pattern(want, id)
			require.Equal(t, want, payload)
			r.Release()
		}
	}
}

// TestReleasesAreTold has a sender wait for room that a receiver of short chunks makes,
// who tells of several releases together.
func TestReleasesAreTold(t *testing.T) {
	all, _ := meshes(t, 2, Config{}, nil)
	closeAfter(t, all)
	s, r := linkOf(t, all)
	for range cells {
		require.NoError(t, send(s, 0, 8))
	}
	done := make(chan error, 1)
	go func() { done <- send(s, 0, 8) }()
	for range cells {
		_, _, err := r.Next(t.Context())
		require.NoError(t, err)
		r.Release()
	}
	require.NoError(t, <-done)
}
