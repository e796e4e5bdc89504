package guard

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"github.com/monel-dev/monel/transport"
)

// SealRoom is how much larger than the chunks of Seal's mesh the slots of the one below
// are: a cache line in front of the payload, so that it stays aligned, for the header,
// and one behind it for the tag.
const (
	SealRoom  = sealFront + sealBack
	sealFront = 64
	sealBack  = 64
	sealHead  = sealFront - transport.HeaderSize // where the header begins
)

// Seal wraps the mesh of a rank so that header and payload of each chunk are encrypted
// and authenticated with AES-256-GCM (NIST SP 800-38D). key gives the secret key of the
// link from one rank to another on a channel, 32 bytes. It must be the same on both,
// differ between all links, and never have been used for another mesh: a chunk's nonce
// is its number on the link. All ranks wrap theirs, or none.
func Seal(mesh transport.Mesh, rank int, key func(from, to, channel int) []byte) *Mesh {
	return wrap(mesh, rank, sealing(key))
}

type sealing func(from, to, channel int) []byte

func (sealing) room() int { return SealRoom }

func (key sealing) aead(from, to, channel int) cipher.AEAD {
	block, err := aes.NewCipher(key(from, to, channel))
	if err != nil {
		panic(err) // the key is not 32 bytes long
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the block is AES's
	}
	return aead
}

func (key sealing) sender(wire transport.Sender, from, to, channel int) transport.Sender {
	return &sealSender{wire: wire, aead: key.aead(from, to, channel)}
}

func (key sealing) receiver(wire transport.Receiver, from, to, channel int) transport.Receiver {
	return &sealReceiver{state: state{peer: from}, wire: wire, aead: key.aead(from, to, channel)}
}

func nonce(i uint64) (n [12]byte) {
	binary.LittleEndian.PutUint64(n[:], i)
	return n
}

type sealSender struct {
	wire transport.Sender
	aead cipher.AEAD
	slot []byte // as the wire has it, nil if none is acquired
	next uint64
}

func (s *sealSender) Acquire(ctx context.Context) ([]byte, error) {
	slot, err := s.wire.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	s.slot = slot
	end := len(slot) - sealBack
	return slot[sealFront:end:end], nil
}

func (s *sealSender) Commit(h *transport.Header, n int) error {
	slot := s.slot
	if slot == nil || n < 0 || n > len(slot)-SealRoom {
		panic(fmt.Sprintf("guard: Commit of %d bytes in a slot of %d, or without one", n, len(slot)-SealRoom))
	}
	s.slot = nil
	clear(slot[:sealHead])
	copy(slot[sealHead:], h[:])
	at := nonce(s.next)
	s.next++
	s.aead.Seal(slot[sealHead:sealHead], at[:], slot[sealHead:sealFront+n], slot[:sealHead])
	return s.wire.Commit(&transport.Header{}, sealFront+n+s.aead.Overhead())
}

type sealReceiver struct {
	state
	wire    transport.Receiver
	aead    cipher.AEAD
	payload []byte // of the current chunk
}

func (r *sealReceiver) Next(ctx context.Context) (*transport.Header, []byte, error) {
	if r.err != nil {
		return nil, nil, r.err
	}
	outer, chunk, err := r.wire.Next(ctx)
	if err != nil {
		return nil, nil, err
	}
	if r.open { // the same chunk again
		return &r.header, r.payload, nil
	}
	if len(chunk) < sealFront+r.aead.Overhead() || *outer != (transport.Header{}) {
		return nil, nil, r.corrupt(r.wire, len(chunk))
	}
	at := nonce(r.next)
	plain, err := r.aead.Open(chunk[sealHead:sealHead], at[:], chunk[sealHead:], chunk[:sealHead])
	if err != nil {
		return nil, nil, r.corrupt(r.wire, len(chunk))
	}
	copy(r.header[:], plain)
	r.payload = plain[transport.HeaderSize:]
	r.open = true
	r.next++
	return &r.header, r.payload, nil
}

func (r *sealReceiver) Release() {
	r.payload = nil
	r.release(r.wire)
}
