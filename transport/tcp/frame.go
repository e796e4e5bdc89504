package tcp

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/monel-dev/monel/transport"
)

// On the wire a chunk is a frame: a head of 64 bytes and the payload. The head
// is the payload's length, the frame's number on this link modulo 2^32, the number of
// the payload's stripes besides the first, and the CRC-32C of these, each 4 bytes,
// little-endian; and the chunk's header. Without the sum, a length that has been altered
// on its way might have the receiver wait for bytes that nobody sends; what protects
// chunks cannot say so before a chunk is there.
//
// The head is as long as the part of a slot that lies before the payload. When
// the system puts a frame at the beginning of a page, as it does with the first
// of a burst, its bytes then keep their offset within the page on their way from
// slot to slot. Were they to go to a slightly higher offset, which a head of 56
// bytes causes, each load of the copy would look to the processor as if it hit a
// store just before it, and reading would take three times as long.
const (
	prefixSize = 16
	summed     = prefixSize - crc32.Size // the part of the prefix before its sum
	headSize   = prefixSize + transport.HeaderSize

	maxSlotSize = math.MaxInt32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// slot is memory for one frame, in one piece.
type slot struct {
	mem    []byte
	parts  int      // stripes of its frame that are not written yet; guarded by the sender
	pieces [][]byte // of its frame's first stripe, if that lies elsewhere; scratch
}

func newSlot(size int) *slot {
	return &slot{mem: make([]byte, headSize+size)}
}

func (s *slot) payload() []byte { return s.mem[headSize:] }

// frame writes the head in front of a payload that is cut in this way, and returns it
// together with the first stripe, as it goes onto the wire.
func (s *slot) frame(h *transport.Header, cut stripes, number uint32) []byte {
	f := s.mem[:headSize+cut.length(0)]
	putHead(f, h, cut, number)
	return f
}

func putHead(b []byte, h *transport.Header, cut stripes, number uint32) {
	binary.LittleEndian.PutUint32(b, uint32(cut.total))
	binary.LittleEndian.PutUint32(b[4:], number)
	binary.LittleEndian.PutUint32(b[8:], uint32(cut.count-1))
	binary.LittleEndian.PutUint32(b[summed:], crc32.Checksum(b[:summed], castagnoli))
	copy(b[prefixSize:], h[:])
}

// parseHead reads the head of the frame that is expected to be number, copies
// its header to h, and returns how its payload is cut: at most slotSize bytes into as
// many stripes as there are connections.
func parseHead(b []byte, h *transport.Header, slotSize, connections int, number uint32) (stripes, error) {
	n := binary.LittleEndian.Uint32(b)
	if got := binary.LittleEndian.Uint32(b[4:]); got != number {
		return stripes{}, fmt.Errorf("frame %d came where frame %d was due: %w", got, number, transport.ErrProtocol)
	}
	if uint64(n) > uint64(slotSize) {
		return stripes{}, fmt.Errorf("frame %d claims %d bytes, a slot has %d; do both ranks use the same slot size? %w",
			number, n, slotSize, transport.ErrProtocol)
	}
	more := binary.LittleEndian.Uint32(b[8:])
	if uint64(more) >= uint64(connections) {
		return stripes{}, fmt.Errorf("frame %d has %#x where a number below that of its link's %d connections is due: %w",
			number, more, connections, transport.ErrProtocol)
	}
	if crc32.Checksum(b[:summed], castagnoli) != binary.LittleEndian.Uint32(b[summed:]) {
		return stripes{}, fmt.Errorf("the head of frame %d is not what was sent: %w", number, transport.ErrCorrupt)
	}
	copy(h[:], b[prefixSize:headSize])
	return stripes{int(n), int(more) + 1}, nil
}
