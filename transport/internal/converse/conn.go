// Package converse is how the meshes of two ranks speak about their links over an
// authenticated connection. It stays open for as long as both meshes do, and its end is
// how the death of a peer is noticed at once.
//
// The side that dialed says hello first, and either side says bye before it closes. What
// else is said, each transport has for itself. A message is a frame: type, 0, length of
// the body (2 bytes), body. Numbers are little-endian.
package converse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/monel-dev/monel/transport"
)

const (
	// WriteTime is how long a message may take to be taken by the system; the peer always
	// reads.
	WriteTime = 5 * time.Second
	// ByeTime is the same for the last ones.
	ByeTime = 100 * time.Millisecond
	// helloTime is how long a peer that has dialed may take to say hello.
	helloTime = 10 * time.Second

	// FrameHeader is how many bytes of a frame come before the body.
	FrameHeader = 4
)

// Type is the type of a message.
type Type uint8

// Protocol is what two meshes have to agree on before they say anything.
type Protocol struct {
	Version    uint32
	Hello, Bye Type
	MaxBody    int // bytes
}

// ErrBye ends a conversation that the peer has ended in an orderly way.
var ErrBye = errors.New("it has closed its mesh")

// Frame is a message.
func Frame(t Type, body []byte) []byte {
	b := append([]byte{byte(t), 0, 0, 0}, body...)
	binary.LittleEndian.PutUint16(b[2:], uint16(len(body)))
	return b
}

// EncodeHello is a rank's hello.
func (p *Protocol) EncodeHello(rank int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, p.Version)
	return Frame(p.Hello, binary.LittleEndian.AppendUint32(b, uint32(rank)))
}

// DecodeHello returns nil for the hello of a rank. Errors wrap transport.ErrProtocol.
func (p *Protocol) DecodeHello(body []byte, rank int) error {
	r := Reader{Rest: body}
	version, from := r.U32(), r.U32()
	if err := r.End("hello"); err != nil {
		return err
	}
	if version != p.Version || from != uint32(rank) {
		return fmt.Errorf("%w: it speaks as rank %d and version %d of this conversation, want version %d",
			transport.ErrProtocol, from, version, p.Version)
	}
	return nil
}

// EncodeBye is the last message.
func (p *Protocol) EncodeBye() []byte { return Frame(p.Bye, nil) }

// Conn is a connection to a peer. Any goroutine may send, one at a time receives.
type Conn struct {
	net.Conn
	wmu sync.Mutex
}

// Send sends frames, which the system has to take within the limit.
func (c *Conn) Send(frames []byte, limit time.Duration) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_ = c.SetWriteDeadline(time.Now().Add(limit))
	_, err := c.Write(frames)
	return err
}

// Receive reads one message into a buffer for the longest one, header and body. The body
// is valid until that is used again. The error wraps transport.ErrProtocol if the peer
// has sent no frame, or one that is too long.
func (c *Conn) Receive(buf []byte) (Type, []byte, error) {
	if _, err := io.ReadFull(c, buf[:FrameHeader]); err != nil {
		return 0, nil, err
	}
	n := int(binary.LittleEndian.Uint16(buf[2:]))
	if FrameHeader+n > len(buf) || buf[1] != 0 {
		return 0, nil, fmt.Errorf("%w: a message of type %d and %d bytes", transport.ErrProtocol, buf[0], n)
	}
	body := buf[FrameHeader : FrameHeader+n]
	_, err := io.ReadFull(c, body)
	return Type(buf[0]), body, err
}

// Handle has react take the peer's messages until one ends the conversation, and returns
// why: ErrBye, what react returns, or what Receive does. A body is valid until react
// returns.
func (c *Conn) Handle(p *Protocol, react func(t Type, body []byte) error) error {
	buf := make([]byte, FrameHeader+p.MaxBody)
	for {
		t, body, err := c.Receive(buf)
		if err != nil {
			return err
		}
		if t == p.Bye {
			return ErrBye
		}
		if err := react(t, body); err != nil {
			return err
		}
	}
}

// Serve is Handle on a connection that was accepted from a rank, which says hello first.
// It also reports whether the peer has said a word.
func (c *Conn) Serve(p *Protocol, rank int, react func(t Type, body []byte) error) (greeted bool, err error) {
	_ = c.SetReadDeadline(time.Now().Add(helloTime))
	err = c.Handle(p, func(t Type, body []byte) error {
		if greeted {
			return react(t, body)
		}
		greeted = true
		_ = c.SetReadDeadline(time.Time{})
		if t != p.Hello {
			return Unexpected(t)
		}
		return p.DecodeHello(body, rank)
	})
	return greeted, err
}

// Unexpected is the error for a message that the peer should not have sent now. It wraps
// transport.ErrProtocol.
func Unexpected(t Type) error {
	return fmt.Errorf("%w: a message of type %d is out of place", transport.ErrProtocol, t)
}
