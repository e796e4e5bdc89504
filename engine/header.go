package engine

import (
	"encoding/binary"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// chunkHeader is what travels with every chunk, little endian in this order;
// the remaining bytes are zero and reserved.
//
// On a reduce hop the signature is the fold of all ranks passed so far: a rank
// forwards a chunk only after it has compared the signature with its own, so
// whoever finishes the chunk knows that every rank on its way agreed.
type chunkHeader struct {
	seq     uint64       // the operation's number on this communicator
	sig     uint64       // descriptor.sig
	walk    strided.Walk // the order in which elements are walked
	attempt uint32       // 0, or 1 after a restart in a common order
	index   uint32       // the chunk's number on its link within the operation
}

func (h *chunkHeader) encode(b *transport.Header) {
	encodeHeader(b, h.seq, h.sig, h.walk, h.attempt, h.index)
}

func encodeHeader(b *transport.Header, seq, sig uint64, walk strided.Walk, attempt, index uint32) {
	binary.LittleEndian.PutUint64(b[0:], seq)
	binary.LittleEndian.PutUint64(b[8:], sig)
	binary.LittleEndian.PutUint64(b[16:], uint64(walk))
	binary.LittleEndian.PutUint32(b[24:], attempt)
	binary.LittleEndian.PutUint32(b[28:], index)
}

func decodeChunkHeader(b *transport.Header) chunkHeader {
	return chunkHeader{
		seq:     binary.LittleEndian.Uint64(b[0:]),
		sig:     binary.LittleEndian.Uint64(b[8:]),
		walk:    strided.Walk(binary.LittleEndian.Uint64(b[16:])),
		attempt: binary.LittleEndian.Uint32(b[24:]),
		index:   binary.LittleEndian.Uint32(b[28:]),
	}
}
