package guard

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/guard/internal/crc32c"
)

// Checksum wraps the mesh of a rank so that each chunk carries a CRC-32C (Castagnoli;
// RFC 3720, appendix B.4) of its number on the link, its header, its length and its
// payload, which processors have an instruction for. It finds every fault of up to 32
// successive bits of the header or the payload, and all but one in 2^32 of the others. The sum lies in the header
// (transport.HeaderRoom), so slots and payloads are as they are without, and a short
// chunk still lies where a wire has the least to do for it. All ranks wrap theirs, or
// none.
func Checksum(mesh transport.Mesh, rank int) *Mesh { return wrap(mesh, rank, checksums{}) }

type checksums struct{}

func (checksums) room() int { return 0 }

func (checksums) sender(wire transport.Sender, _, _, _ int) transport.Sender {
	s := &sumSender{wire: wire}
	if direct, ok := wire.(transport.DirectSender); ok {
		return &directSender{s, direct}
	}
	return s
}

func (checksums) receiver(wire transport.Receiver, from, _, _ int) transport.Receiver {
	r := &sumReceiver{state: state{peer: from}, wire: wire}
	if direct, ok := wire.(transport.DirectReceiver); ok {
		return &directReceiver{sumReceiver: r, direct: direct}
	}
	return r
}

// sumAt is where in a header the sum lies.
const sumAt = transport.HeaderSize - transport.HeaderRoom

// headWords are the words of a header before the one with the sum.
const headWords = sumAt / 8

// sumHead is the sum of the i-th chunk of a link before its payload, of n bytes.
func sumHead(i uint64, h *transport.Header, n int) uint32 {
	last := uint64(binary.LittleEndian.Uint32(h[8*headWords:])) | uint64(n)<<32
	return crc32c.Words(i, (*[8 * headWords]byte)(h[:]), last)
}

func sum(i uint64, h *transport.Header, payload []byte) uint32 {
	return crc32c.Update(sumHead(i, h, len(payload)), payload)
}

// sumPieces is sum for a payload of n bytes in pieces.
func sumPieces(i uint64, h *transport.Header, n int, pieces [][]byte) uint32 {
	crc := sumHead(i, h, n)
	for _, p := range pieces {
		crc = crc32c.Update(crc, p)
	}
	return crc
}

type sumSender struct {
	wire   transport.Sender
	slot   []byte           // nil if none is acquired
	header transport.Header // of the latest chunk, with its sum
	next   uint64
}

// label makes the header of the next chunk from the layer above's and its sum.
// It does so a word at a time, as h has been written: longer loads would wait for that.
func (s *sumSender) label(h *transport.Header, sum uint32) *transport.Header {
	for at := 0; at < 8*headWords; at += 8 {
		binary.LittleEndian.PutUint64(s.header[at:], binary.LittleEndian.Uint64(h[at:]))
	}
	last := uint64(binary.LittleEndian.Uint32(h[8*headWords:])) | uint64(sum)<<32
	binary.LittleEndian.PutUint64(s.header[8*headWords:], last)
	return &s.header
}

func (s *sumSender) Acquire(ctx context.Context) ([]byte, error) {
	slot, err := s.wire.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	s.slot = slot
	return slot, nil
}

func (s *sumSender) Commit(h *transport.Header, n int) error {
	if s.slot == nil || n < 0 || n > len(s.slot) {
		panic(fmt.Sprintf("guard: Commit of %d bytes in a slot of %d, or without one", n, len(s.slot)))
	}
	outer := s.label(h, sum(s.next, h, s.slot[:n]))
	s.slot = nil
	s.next++
	return s.wire.Commit(outer, n)
}

type sumReceiver struct {
	state
	wire transport.Receiver
}

// look keeps a header as the layer above gets it, and returns its sum.
func (r *sumReceiver) look(h *transport.Header) uint32 {
	r.header = *h
	clear(r.header[sumAt:])
	return binary.LittleEndian.Uint32(h[sumAt:])
}

func (r *sumReceiver) Next(ctx context.Context) (*transport.Header, []byte, error) {
	if r.err != nil {
		return nil, nil, r.err
	}
	h, payload, err := r.wire.Next(ctx)
	if err != nil {
		return nil, nil, err
	}
	if r.open { // the same chunk again
		return &r.header, payload, nil
	}
	crc32c.Fetch(payload)
	if r.look(h) != sum(r.next, h, payload) {
		return nil, nil, r.corrupt(r.wire, len(payload))
	}
	r.open = true
	r.next++
	return &r.header, payload, nil
}

func (r *sumReceiver) Release() { r.release(r.wire) }
