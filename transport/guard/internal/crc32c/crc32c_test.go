package crc32c

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestChecksum compares with hash/crc32, at all lengths around the blocks, at all
// alignments, whole and in two parts.
func TestChecksum(t *testing.T) {
	require.Equal(t, uint32(0xe3069283), Checksum([]byte("123456789"))) // RFC 3720's check value
	rng := rand.New(rand.NewPCG(3, 9))
	data := make([]byte, 1<<17)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	for n := range 5000 {
		p := data[n%67 : n%67+n]
		require.Equal(t, crc32.Checksum(p, table), Checksum(p), "%d bytes", n)
		cut := rng.IntN(n + 1)
		require.Equal(t, crc32.Checksum(p, table), Update(Checksum(p[:cut]), p[cut:]), "%d and %d bytes", cut, n-cut)
	}
	for _, n := range []int{10_000, 1<<16 - 70, 1<<17 - 66} { // the last takes more than one turn
		for at := range 66 {
			require.Equal(t, crc32.Checksum(data[at:at+n], table), Checksum(data[at:at+n]))
		}
	}
}

// TestWords compares with the sum over all bytes.
func TestWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	for range 1000 {
		a, b := rng.Uint64(), rng.Uint64()
		var p [40]byte
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		all := binary.LittleEndian.AppendUint64(nil, a)
		all = binary.LittleEndian.AppendUint64(append(all, p[:]...), b)
		require.Equal(t, crc32.Checksum(all, table), Words(a, &p, b))
		require.Equal(t, crc32.Checksum(all, table), sumWordsPortably(a, &p, b))
	}
}

// TestFetch: it changes nothing, and does not go beyond what there is.
func TestFetch(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 65, 5000} {
		p := make([]byte, n)
		Fetch(p)
		require.Equal(t, make([]byte, n), p)
	}
}

func BenchmarkChecksum(b *testing.B) {
	data := make([]byte, 256<<10)
	for name, sum := range map[string]func([]byte) uint32{
		"ours": Checksum,
		"std":  func(p []byte) uint32 { return crc32.Checksum(p, table) },
	} {
		for _, n := range []int{1 << 10, 16 << 10, 256 << 10} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				for b.Loop() {
					sum(data[:n])
				}
			})
		}
	}
}
