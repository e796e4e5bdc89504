package bootstrap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/monel-dev/monel/transport"
)

// Seal encrypts what only ranks of this session may read, such as the secret of
// another one, over connections that others may read. It uses AES-256-GCM
// (NIST SP 800-38D) with a random nonce, under a key made from the session's secret
// and for nothing else.
func (s *Session) Seal(plain []byte) []byte {
	aead := s.sealer()
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, s.table.session[:])
}

// Open decrypts what Seal has made on any rank of the session. Its error wraps
// transport.ErrProtocol.
func (s *Session) Open(sealed []byte) ([]byte, error) {
	aead := s.sealer()
	n := aead.NonceSize()
	if len(sealed) < n {
		return nil, fmt.Errorf("%w: sealed message of %d bytes", transport.ErrProtocol, len(sealed))
	}
	plain, err := aead.Open(nil, sealed[:n], sealed[n:], s.table.session[:])
	if err != nil {
		return nil, fmt.Errorf("%w: sealed message of another session", transport.ErrProtocol)
	}
	return plain, nil
}

// LinkKey is a key for the data link from one rank to another on a channel, 32 bytes,
// the same on both and on no other link of this or another session (a session's
// identity is random).
func (s *Session) LinkKey(from, to, channel int) []byte {
	var link [12]byte
	binary.LittleEndian.PutUint32(link[0:], uint32(from))
	binary.LittleEndian.PutUint32(link[4:], uint32(to))
	binary.LittleEndian.PutUint32(link[8:], uint32(channel))
	mac := hmac.New(sha256.New, s.key)
	io.WriteString(mac, "monel link 1")
	mac.Write(s.table.session[:])
	mac.Write(link[:])
	return mac.Sum(nil)
}

func (s *Session) sealer() cipher.AEAD {
	mac := hmac.New(sha256.New, s.key)
	io.WriteString(mac, "monel seal 1")
	return newAEAD(mac.Sum(nil))
}

// newAEAD is AES-256-GCM under a key of 32 bytes.
func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key is 32 bytes long
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the block is AES's
	}
	return aead
}
