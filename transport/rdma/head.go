package rdma

import (
	"encoding/binary"
	"fmt"

	"github.com/monel-dev/monel/transport"
)

// A slot begins with a head of 64 bytes: the payload's length and the chunk's
// number on this link modulo 2^32, each 4 bytes, little-endian; 8 bytes that are
// zero; and the chunk's header. It is a cache line, so the payload begins with one.
const (
	prefixSize = 16
	headSize   = prefixSize + transport.HeaderSize
)

func putHead(b []byte, h *transport.Header, n int, number uint32) {
	binary.LittleEndian.PutUint32(b, uint32(n))
	binary.LittleEndian.PutUint32(b[4:], number)
	binary.LittleEndian.PutUint64(b[8:], 0)
	copy(b[prefixSize:headSize], h[:])
}

// parseHead reads the head of the chunk that is to be number, copies its header to
// h, and returns the length of its payload, at most slotSize.
func parseHead(b []byte, h *transport.Header, slotSize int, number uint32) (int, error) {
	n, got, reserved := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint64(b[8:])
	if got != number || uint64(n) > uint64(slotSize) || reserved != 0 {
		return 0, fmt.Errorf("chunk %d of %d bytes where chunk %d of at most %d bytes is due", got, n, number, slotSize)
	}
	copy(h[:], b[prefixSize:headSize])
	return int(n), nil
}
