package shm

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
)

// TestWrite checks that pieces of any size, from anywhere in memory, come to lie one
// after the other in a slot, arrive, and that nothing behind them is touched.
func TestWrite(t *testing.T) {
	const slotSize = 100 << 10
	all, _ := meshes(t, 2, Config{SlotSize: slotSize}, nil)
	closeAfter(t, all)
	s, r := linkOf(t, all)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	memory := make([]byte, 2*slotSize)
	for i := range memory {
		memory[i] = byte(rng.Uint32())
	}
	for _, most := range []int{1, 70, 5000, slotSize} {
		for range 50 {
			all[0].pace.moves = rng.IntN(4) > 0
			s.distance = distance{far: rng.IntN(2) == 0, against: rng.IntN(looksToTurn), unseen: rng.IntN(2) * lookEvery}
			left := []int{rng.IntN(pastCachesFrom), pastCachesFrom, pastCachesTo - rng.IntN(130), slotSize}[rng.IntN(4)]
			var pieces [][]byte
			for left > 0 {
				n := min(1+rng.IntN(most), left)
				at := rng.IntN(slotSize)
				pieces = append(pieces, memory[at:at+n], nil)
				left -= n
			}
			slot, err := s.Acquire(t.Context())
			require.NoError(t, err)
			there := s.seg.slot(s.at)
			for i := range there {
				there[i] = 0xa5
			}
			want := slices.Concat(pieces...)
			n := len(want)
			if rng.IntN(3) == 0 {
				copy(slot, want)
			} else {
				require.Equal(t, n, s.Write(pieces))
			}
			require.NoError(t, s.Commit(&transport.Header{}, n))
			_, got, err := r.Next(t.Context())
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%d pieces of up to %d bytes", len(pieces), most)
			require.Equal(t, len(there)-n, bytes.Count(there[n:], []byte{0xa5}), "written behind the pieces")
			r.Release()
		}
	}
}

// TestMiddleSizesGoPastTheCaches unless ranks share processors, and all long ones on their
// way to a processor that is far.
func TestMiddleSizesGoPastTheCaches(t *testing.T) {
	all, _ := meshes(t, 2, Config{}, nil)
	closeAfter(t, all)
	s, _ := linkOf(t, all)
	for n, past := range map[int]bool{0: false, pastCachesFrom - 1: false, pastCachesFrom: true, pastCachesTo: true, pastCachesTo + 1: false} {
		all[0].pace.moves = true
		require.Equal(t, past, s.goesPast(n), "%d bytes", n)
		all[0].pace.moves = false
		require.False(t, s.goesPast(n), "%d bytes, shared processors", n)
		s.distance.far = true
		require.Equal(t, n >= pastCachesFrom, s.goesPast(n), "%d bytes, far, shared processors", n)
		all[0].pace.moves = true
		require.Equal(t, n >= pastCachesFrom, s.goesPast(n), "%d bytes, far", n)
		s.distance.far = false
	}
}

// TestDistance: looks that agree turn it, and one chunk in many is looked at.
func TestDistance(t *testing.T) {
	var d distance
	look := func(took time.Duration, far bool) {
		t.Helper()
		d.saw(took)
		require.Equal(t, far, d.far)
	}
	slow, quick := time.Duration(farLook), time.Duration(farLook-1)
	require.False(t, d.due())
	for range looksToTurn - 1 {
		look(slow, false)
		require.True(t, d.due(), "when in doubt")
	}
	look(quick, false)
	require.False(t, d.due())
	for range looksToTurn - 1 {
		look(slow, false)
	}
	look(slow, true)
	require.True(t, d.due())
	look(quick, true)
	look(slow, true)
	for range looksToTurn - 1 {
		look(quick, true)
	}
	look(quick, false)
	for range lookEvery {
		require.False(t, d.due())
		d.skipped(pastCachesTo)
		d.skipped(pastCachesTo + 1)
	}
	require.True(t, d.due())
	look(quick, false)
	require.False(t, d.due())
}

// TestLooksAtLongChunks: who writes slots itself is looked over the shoulder.
func TestLooksAtLongChunks(t *testing.T) {
	all, _ := meshes(t, 2, Config{}, nil)
	closeAfter(t, all)
	s, r := linkOf(t, all)
	memory := make([]byte, all[0].SlotSize())
	staged := 0
	for range 2*lookEvery + 2 {
		slot, err := s.Acquire(t.Context())
		require.NoError(t, err)
		if s.staged {
			staged++
			require.Equal(t, len(memory), len(slot))
		}
		require.NoError(t, s.Commit(&transport.Header{}, len(memory)))
		_, _, err = r.Next(t.Context())
		require.NoError(t, err)
		r.Release()
		require.Less(t, s.distance.unseen, lookEvery+1)
		s.distance.far, s.distance.against = false, 0 // whatever this machine is like
	}
	require.Equal(t, 2, staged)
}

// TestWritePanics where a caller has made a mistake that would show elsewhere.
func TestWritePanics(t *testing.T) {
	all, _ := meshes(t, 2, Config{SlotSize: 4096}, nil)
	closeAfter(t, all)
	s, _ := linkOf(t, all)
	require.Panics(t, func() { s.Write([][]byte{{1}}) }, "no slot is acquired")
	_, err := s.Acquire(t.Context())
	require.NoError(t, err)
	require.Panics(t, func() { s.Write([][]byte{make([]byte, 4000), make([]byte, 97)}) }, "too long")
	require.NoError(t, s.Commit(&transport.Header{}, 0))
}

// TestWriteAgain compares with what the slots' own memory shows to the other side, in
// many rounds: what goes past the caches is there before its number.
func TestWriteAgain(t *testing.T) {
	const n = 32 << 10
	all, _ := meshes(t, 2, Config{SlotSize: n}, nil)
	closeAfter(t, all)
	s, r := linkOf(t, all)
	const rounds = 3000
	failed := make(chan error, 1)
	go func() {
		memory := make([]byte, n)
		for i := range rounds {
			for k := range memory {
				memory[k] = byte(i)
			}
			if _, err := s.Acquire(t.Context()); err != nil {
				failed <- err
				return
			}
			s.Write([][]byte{memory})
			if err := s.Commit(&transport.Header{}, n); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	for i := range rounds {
		_, got, err := r.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, n, bytes.Count(got, []byte{byte(i)}), "round %d", i)
		r.Release()
	}
	require.NoError(t, <-failed)
}
