package shm

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

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
			for i := range slot {
				slot[i] = 0xa5
			}
			n := s.Write(pieces)
			want := slices.Concat(pieces...)
			require.Equal(t, len(want), n)
			require.True(t, bytes.Equal(want, slot[:n]), "%d pieces of up to %d bytes", len(pieces), most)
			require.Equal(t, len(slot)-n, bytes.Count(slot[n:], []byte{0xa5}), "written behind the pieces")
			require.NoError(t, s.Commit(&transport.Header{}, n))
			_, got, err := r.Next(t.Context())
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got))
			r.Release()
		}
	}
}

// TestMiddleSizesGoPastTheCaches, unless ranks share processors.
func TestMiddleSizesGoPastTheCaches(t *testing.T) {
	all, _ := meshes(t, 2, Config{}, nil)
	closeAfter(t, all)
	s, _ := linkOf(t, all)
	for n, past := range map[int]bool{0: false, pastCachesFrom - 1: false, pastCachesFrom: true, pastCachesTo: true, pastCachesTo + 1: false} {
		all[0].pace.moves = true
		require.Equal(t, past, s.goesPast(n), "%d bytes", n)
		all[0].pace.moves = false
		require.False(t, s.goesPast(n), "%d bytes, shared processors", n)
	}
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
