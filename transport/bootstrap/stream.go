package bootstrap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/monel-dev/monel/transport"
)

// sealedConn is a connection whose bytes are encrypted and authenticated, in records:
//
//	2 bytes  length of what follows, little endian
//	n + 16   AES-256-GCM of up to maxRecord bytes
//
// The keys, one for each direction, come from the secret and both nonces of the
// handshake, so none is ever used twice, and a record's nonce is its number. What is
// altered, left out, repeated or moved ends the connection with ErrProtocol. Where a
// stream ends cannot be proved: whoever can cut packets can end it.
type sealedConn struct {
	net.Conn

	reading sync.Mutex
	in      cipher.AEAD
	got     uint64 // records so far
	raw     []byte // what has come of the record that is due, and its length
	plain   []byte // decrypted, not yet read
	broken  error

	writing sync.Mutex
	out     cipher.AEAD
	sent    uint64
	record  []byte
}

// maxRecord is the most that a record carries.
const maxRecord = 16 << 10

const (
	recordHead = 2
	recordTag  = 16
)

// seal returns the connection as what follows a handshake is to be sent on it.
func (p Purpose) seal(conn net.Conn, key, transcript []byte, dials bool) net.Conn {
	if p == PurposeData {
		return conn // what tensors travel on is protected by others, if asked to
	}
	to, from := streamKey(key, roleDialer, transcript), streamKey(key, roleListener, transcript)
	if !dials {
		to, from = from, to
	}
	return &sealedConn{Conn: conn, in: from, out: to}
}

func streamKey(key []byte, role string, transcript []byte) cipher.AEAD {
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, "monel stream 1")
	io.WriteString(mac, role)
	mac.Write(transcript)
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

func (c *sealedConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for done := 0; ; {
		part := p[done:min(len(p), done+maxRecord)]
		var nonce [12]byte
		binary.LittleEndian.PutUint64(nonce[:], c.sent)
		c.sent++
		c.record = binary.LittleEndian.AppendUint16(c.record[:0], uint16(len(part)+recordTag))
		c.record = c.out.Seal(c.record, nonce[:], part, nil)
		if _, err := c.Conn.Write(c.record); err != nil {
			return done, err // a record that has gone out in part is the connection's last
		}
		if done += len(part); done == len(p) {
			return done, nil
		}
	}
}

// Read returns bytes of one record. A deadline that ends it loses nothing.
func (c *sealedConn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for len(c.plain) == 0 {
		if c.broken != nil {
			return 0, c.broken
		}
		if len(p) == 0 {
			return 0, nil
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.plain)
	c.plain = c.plain[n:]
	return n, nil
}

// next decrypts the record that is due.
func (c *sealedConn) next() error {
	if err := c.collect(recordHead); err != nil {
		return err
	}
	n := int(binary.LittleEndian.Uint16(c.raw))
	if n < recordTag || n > maxRecord+recordTag {
		return c.breaks("a record of %d bytes", n)
	}
	if err := c.collect(recordHead + n); err != nil {
		return err
	}
	var nonce [12]byte
	binary.LittleEndian.PutUint64(nonce[:], c.got)
	body := c.raw[recordHead:]
	plain, err := c.in.Open(body[:0], nonce[:], body, nil)
	if err != nil {
		return c.breaks("record %d is not what the other side sent", c.got)
	}
	c.got++
	c.plain, c.raw = plain, c.raw[:0]
	return nil
}

func (c *sealedConn) breaks(format string, args ...any) error {
	c.broken = fmt.Errorf("%w: %s", transport.ErrProtocol, fmt.Sprintf(format, args...))
	return c.broken
}

// collect reads until n bytes of the record are there. The first byte of a record that
// does not come is the stream's end; any other is an end too early.
func (c *sealedConn) collect(n int) error {
	if cap(c.raw) < n {
		c.raw = append(make([]byte, 0, n), c.raw...)
	}
	for len(c.raw) < n {
		got, err := c.Conn.Read(c.raw[len(c.raw):n])
		c.raw = c.raw[:len(c.raw)+got]
		if len(c.raw) >= n {
			return nil
		}
		if err == io.EOF && len(c.raw) > 0 {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// CloseWrite ends the direction to the other side, where the connection can.
func (c *sealedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}
