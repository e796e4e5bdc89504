package guard

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

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

func (sealing) room() (front, back int) { return sealFront, sealBack }

func (key sealing) link(from, to, channel int) guard {
	block, err := aes.NewCipher(key(from, to, channel))
	if err != nil {
		panic(err) // the key is not 32 bytes long
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the block is AES's
	}
	return sealed{aead}
}

type sealed struct{ cipher.AEAD }

func nonce(i uint64) (n [12]byte) {
	binary.LittleEndian.PutUint64(n[:], i)
	return n
}

func (s sealed) shut(i uint64, h *transport.Header, slot []byte, n int) (transport.Header, int) {
	clear(slot[:sealHead])
	copy(slot[sealHead:], h[:])
	at := nonce(i)
	s.Seal(slot[sealHead:sealHead], at[:], slot[sealHead:sealFront+n], slot[:sealHead])
	return transport.Header{}, sealFront + n + s.Overhead()
}

func (s sealed) open(i uint64, outer *transport.Header, chunk []byte) (h transport.Header, payload []byte, ok bool) {
	if len(chunk) < sealFront+s.Overhead() || *outer != (transport.Header{}) {
		return h, nil, false
	}
	at := nonce(i)
	plain, err := s.Open(chunk[sealHead:sealHead], at[:], chunk[sealHead:], chunk[:sealHead])
	if err != nil {
		return h, nil, false
	}
	copy(h[:], plain)
	return h, plain[transport.HeaderSize:], true
}
