package rdma

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport"
)

// cellMemory is a cell as an adapter would write it: the memory of one begins on a
// multiple of 8 bytes.
type cellMemory struct{ words [cellSize / wordSize]uint64 }

func (m *cellMemory) bytes() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(m)), cellSize) }

// randomHeader changes some of a header's parts.
func randomHeader(rng *rand.Rand, h *transport.Header) {
	for i := 0; i < len(h); i += 4 {
		if rng.IntN(3) == 0 {
			binary.LittleEndian.PutUint32(h[i:], rng.Uint32())
		}
	}
}

// TestCells sends chunks of all lengths through one cell. Its words come in any order,
// and the chunk is not taken before the last of them, nor is anything of it.
func TestCells(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var memory cellMemory
	var sent, got transport.Header
	var payload [cellPayload]byte
	for number := uint64(1<<31 - 150); number < 1<<31+150; number++ { // marks come round
		before, held := sent, got
		randomHeader(rng, &sent)
		want := make([]byte, number%(cellPayload+1))
		for i := range want {
			want[i] = byte(rng.Uint32())
		}
		var written [cellSize]byte
		n := putCell(&written, &sent, &before, want, markOf(number))
		require.LessOrEqual(t, n, cellSize)
		require.Zero(t, n%wordSize)
		for i, word := range rng.Perm(n / wordSize) {
			copy(memory.bytes()[word*wordSize:][:wordSize], written[word*wordSize:])
			length, found := takeCell(memory.bytes(), markOf(number), &got, &payload)
			if i+1 < n/wordSize {
				require.Equal(t, nothing, found, "chunk %d, %d words of %d", number, i+1, n/wordSize)
				require.Equal(t, held, got)
				continue
			}
			require.Equal(t, complete, found, "chunk %d", number)
			require.Equal(t, sent, got)
			require.Equal(t, want, payload[:length])
		}
		_, found := takeCell(memory.bytes(), markOf(number+64), &got, &payload)
		require.Equal(t, nothing, found, "the next chunk in this cell")
	}
}

// TestStaleCells: each cell is cleared once before marks come again.
func TestStaleCells(t *testing.T) {
	require.Equal(t, markOf(5), markOf(5+1<<31))
	const cells = 64
	cleared := map[uint64]int{}
	for number := uint64(1<<30 - 1000); number < 1<<30+1000; number++ {
		if stale(number, cells) {
			cleared[number%cells]++
		}
	}
	require.Len(t, cleared, cells)
	for cell, times := range cleared {
		require.Equal(t, 1, times, "cell %d", cell)
	}
}

// FuzzCell: whatever is in a cell, what is taken from it fits, and only that is called
// complete whose words all have the mark.
func FuzzCell(f *testing.F) {
	var h, before transport.Header
	h[3] = 7
	var cell [cellSize]byte
	n := putCell(&cell, &h, &before, []byte("some text"), 9)
	f.Add(cell[:n], uint32(9))
	f.Add([]byte{255, 255, 255, 255, 9}, uint32(9))
	f.Fuzz(func(t *testing.T, content []byte, mark uint32) {
		var memory cellMemory
		copy(memory.bytes(), content)
		held, got, payload := h, h, [cellPayload]byte{}
		n, found := takeCell(memory.bytes(), mark, &got, &payload)
		if found != complete {
			require.Equal(t, held, got)
			require.Zero(t, n)
			return
		}
		require.LessOrEqual(t, n, cellPayload)
		var again [cellSize]byte
		size := putCell(&again, &got, &held, payload[:n], mark)
		require.LessOrEqual(t, size, cellSize)
		for at := 0; at < size; at += wordSize {
			require.Equal(t, mark, binary.LittleEndian.Uint32(memory.bytes()[at+4:]))
		}
	})
}
