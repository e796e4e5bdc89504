package tcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/monel-dev/monel/transport"
)

// feed offers a stream to an inbound in reads of at most limit() bytes and
// calls chunk for every chunk. It returns what parse returned last.
func feed(in *inbound, stream []byte, limit func() int, chunk func(h *transport.Header, payload []byte)) error {
	for {
		whole, err := in.parse()
		if err != nil {
			return err
		}
		if whole {
			chunk(&in.header, in.payload())
			in.release()
			continue
		}
		if len(stream) == 0 {
			return nil
		}
		left := max(1, limit())
		total := 0
		for _, b := range in.space() {
			n := copy(b[:min(len(b), left)], stream)
			stream = stream[n:]
			left -= n
			total += n
		}
		in.filled(total)
	}
}

// frames encodes chunks of the given sizes.
func frames(sizes []int, slotSize int) (stream []byte) {
	for i, n := range sizes {
		s := newSlot(slotSize)
		for j := range s.payload()[:n] {
			s.payload()[j] = byte(i + j*7)
		}
		stream = append(stream, s.frame(&transport.Header{0: byte(i), 47: byte(n)}, stripes{n, 1}, uint32(i))...)
	}
	return stream
}

func TestInboundInEveryPartition(t *testing.T) {
	const slotSize = 20000 // more than the stash
	rng := rand.New(rand.NewPCG(3, 4))
	sizes := []int{0, 1, slotSize, 0, 0, stashSize - headSize, stashSize, stashSize + 1, slotSize, slotSize, 8, 8, 8}
	for range 50 {
		sizes = append(sizes, rng.IntN(slotSize+1), rng.IntN(200))
	}
	stream := frames(sizes, slotSize)
	for name, limit := range map[string]func() int{
		"bytewise":     func() int { return 1 },
		"head by head": func() int { return headSize },
		"all at once":  func() int { return len(stream) },
		"random":       func() int { return rng.IntN(2 * slotSize) },
		"random small": func() int { return rng.IntN(100) },
	} {
		t.Run(name, func(t *testing.T) {
			in := inbound{slotSize: slotSize, connections: 1}
			i := 0
			err := feed(&in, stream, limit, func(h *transport.Header, payload []byte) {
				if h[0] != byte(i) || h[47] != byte(sizes[i]) || len(payload) != sizes[i] {
					t.Fatalf("chunk %d: header %d %d, %d bytes; want %d bytes", i, h[0], h[47], len(payload), sizes[i])
				}
				for j, b := range payload {
					if b != byte(i+j*7) {
						t.Fatalf("chunk %d of %d bytes differs at %d", i, len(payload), j)
					}
				}
				i++
			})
			if err != nil || i != len(sizes) || !in.atBoundary() {
				t.Fatalf("%d chunks of %d, %v, at boundary: %v", i, len(sizes), err, in.atBoundary())
			}
		})
	}
}

func TestInboundRefuses(t *testing.T) {
	head := func(n, number uint32) []byte {
		b := make([]byte, headSize)
		binary.LittleEndian.PutUint32(b, n)
		binary.LittleEndian.PutUint32(b[4:], number)
		binary.LittleEndian.PutUint32(b[summed:], crc32.Checksum(b[:summed], castagnoli))
		return b
	}
	for name, stream := range map[string][]byte{
		"a byte more than a slot":   head(1001, 0),
		"the largest length":        head(1<<32-1, 0),
		"a length negative in 32":   head(1<<31, 0),
		"a later frame's number":    head(0, 1),
		"the same frame twice":      append(head(0, 0), head(0, 0)...),
		"nonzero where zero is due": append(append(head(0, 0)[:8], 0, 0, 0, 1), make([]byte, headSize-12)...),
		"a stripe too many":         append(append(head(0, 0)[:8], 1), make([]byte, headSize-9)...),
		"text of another protocol":  bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 10),
		"a frame with a wrong size": append(frames([]int{5, 5}, 1000)[:headSize+4], frames([]int{1, 5}, 1000)...),
	} {
		in := inbound{slotSize: 1000, connections: 1}
		err := feed(&in, stream, func() int { return 1 << 20 }, func(*transport.Header, []byte) {})
		if !errors.Is(err, transport.ErrProtocol) {
			t.Errorf("%s: %v, want ErrProtocol", name, err)
		}
	}
}

// TestInboundFindsAlteredPrefix: whichever bits of what is in front of a frame's header are
// flipped, one or up to four in a row, the frame is refused as soon as its head is there,
// and those before it have come as they were sent.
func TestInboundFindsAlteredPrefix(t *testing.T) {
	const connections = 4
	sizes := []int{8, 300, 8}
	stream := frames(sizes, 512)
	second := headSize + sizes[0]
	for bit := range 8 * prefixSize {
		for flips := byte(1); flips < 16; flips += 2 { // patterns that begin with this bit
			altered := bytes.Clone(stream[:second+headSize])
			for k := range 4 {
				if at := bit + k; flips>>k&1 != 0 && at < 8*prefixSize {
					altered[second+at/8] ^= 1 << (at % 8)
				}
			}
			in := inbound{slotSize: 512, connections: connections}
			chunks := 0
			err := feed(&in, altered, func() int { return 1 << 20 }, func(h *transport.Header, payload []byte) {
				chunks++
			})
			if chunks != 1 || !errors.Is(err, transport.ErrCorrupt) && !errors.Is(err, transport.ErrProtocol) {
				t.Fatalf("bits %b from %d on flipped: %d chunks and %v; want one and an error", flips, bit, chunks, err)
			}
		}
	}
}

// FuzzInbound feeds arbitrary bytes in arbitrary portions. Whatever they are,
// nothing panics, no payload exceeds a slot, and every chunk that comes out was
// in the stream.
func FuzzInbound(f *testing.F) {
	f.Add(frames([]int{0, 1, 300, 512, 8}, 512), uint64(1))
	f.Add(frames([]int{512, 512, 512}, 512), uint64(2))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n and so on and so on and so on and so on"), uint64(3))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		const slotSize = 512
		rng := rand.New(rand.NewPCG(seed, 0))
		in := inbound{slotSize: slotSize, connections: 1}
		var again []byte
		number := uint32(0)
		err := feed(&in, stream, func() int { return rng.IntN(700) }, func(h *transport.Header, payload []byte) {
			if len(payload) > slotSize {
				t.Fatalf("payload of %d bytes in slots of %d", len(payload), slotSize)
			}
			s := newSlot(slotSize)
			copy(s.payload(), payload)
			again = append(again, s.frame(h, stripes{len(payload), 1}, number)...)
			number++
		})
		if err != nil && !errors.Is(err, transport.ErrProtocol) && !errors.Is(err, transport.ErrCorrupt) {
			t.Fatalf("%v, want ErrProtocol", err)
		}
		if !bytes.HasPrefix(stream, again) {
			t.Fatal("the chunks are not what was in the stream")
		}
		if in.slot != nil && len(in.slot.mem) != headSize+slotSize || len(in.stash) > stashSize {
			t.Fatalf("allocated %d and %d bytes", len(in.slot.mem), len(in.stash))
		}
	})
}
