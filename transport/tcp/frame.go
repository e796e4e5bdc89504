package tcp

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/monel-dev/monel/transport"
)

// On the wire a chunk is a frame: the payload's length and the frame's number
// on this link, each 4 bytes, little-endian, the number modulo 2^32; then the
// chunk's header; then the payload.
const (
	prefixSize = 8
	headSize   = prefixSize + transport.HeaderSize

	maxSlotSize = math.MaxInt32
)

// slot is memory for one frame. The payload begins at a multiple of 64 bytes,
// and the frame's head right before it, so that a frame is one piece of memory.
type slot struct {
	mem []byte
}

const slotHead = 64 // offset of the payload in slot.mem

func newSlot(size int) *slot {
	return &slot{mem: make([]byte, slotHead+size)}
}

func (s *slot) payload() []byte { return s.mem[slotHead:] }

// frame writes the head in front of the first n bytes of the payload and
// returns all of it as it goes onto the wire.
func (s *slot) frame(h *transport.Header, n int, number uint32) []byte {
	f := s.mem[slotHead-headSize : slotHead+n]
	putHead(f, h, n, number)
	return f
}

func putHead(b []byte, h *transport.Header, n int, number uint32) {
	binary.LittleEndian.PutUint32(b, uint32(n))
	binary.LittleEndian.PutUint32(b[4:], number)
	copy(b[prefixSize:], h[:])
}

// parseHead reads the head of the frame that is expected to be number, copies
// its header to h, and returns the length of its payload, at most slotSize.
func parseHead(b []byte, h *transport.Header, slotSize int, number uint32) (int, error) {
	n := binary.LittleEndian.Uint32(b)
	if got := binary.LittleEndian.Uint32(b[4:]); got != number {
		return 0, fmt.Errorf("frame %d came where frame %d was due: %w", got, number, transport.ErrProtocol)
	}
	if uint64(n) > uint64(slotSize) {
		return 0, fmt.Errorf("frame %d claims %d bytes, a slot has %d; do both ranks use the same slot size? %w",
			number, n, slotSize, transport.ErrProtocol)
	}
	copy(h[:], b[prefixSize:headSize])
	return int(n), nil
}
