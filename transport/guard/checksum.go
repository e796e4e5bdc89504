package guard

import (
	"encoding/binary"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/guard/internal/crc32c"
)

// ChecksumRoom is how much larger than the chunks of Checksum's mesh the slots of the
// one below are. It is a cache line, so that slots stay aligned; four bytes are sent.
const ChecksumRoom = 64

// Checksum wraps the mesh of a rank so that each chunk carries a CRC-32C (Castagnoli;
// RFC 3720, appendix B.4) of its number on the link, its header and its payload, which
// processors have an instruction for. It finds every fault of up to 32 successive bits,
// and all but one in 2^32 of the others. All ranks wrap theirs, or none.
func Checksum(mesh transport.Mesh, rank int) *Mesh { return wrap(mesh, rank, checksum{}) }

type checksum struct{}

func (checksum) room() (front, back int) { return 0, ChecksumRoom }

func (checksum) link(int, int, int) guard { return checksum{} }

func sum(i uint64, h *transport.Header, payload []byte) uint32 {
	var head [8 + transport.HeaderSize]byte
	binary.LittleEndian.PutUint64(head[:], i)
	copy(head[8:], h[:])
	return crc32c.Update(crc32c.Checksum(head[:]), payload)
}

func (checksum) shut(i uint64, h *transport.Header, slot []byte, n int) (transport.Header, int) {
	binary.LittleEndian.PutUint32(slot[n:], sum(i, h, slot[:n]))
	return *h, n + crc32c.Size
}

func (checksum) open(i uint64, h *transport.Header, chunk []byte) (transport.Header, []byte, bool) {
	n := len(chunk) - crc32c.Size
	if n < 0 {
		return *h, nil, false
	}
	payload := chunk[:n:n]
	return *h, payload, binary.LittleEndian.Uint32(chunk[n:]) == sum(i, h, payload)
}
