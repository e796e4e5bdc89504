package shm

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/monel-dev/monel/transport"
)

const (
	// writeTime is how long a message may take to be taken by the system; the
	// peer always reads.
	writeTime = 5 * time.Second
	// byeTime is the same for the last one.
	byeTime = 100 * time.Millisecond
)

// conn is a connection to a peer.
type conn struct {
	net.Conn
	peer *peer
	wmu  sync.Mutex

	// For offers under way; guarded by the mesh's mutex.
	lastID  uint32
	pending map[uint32]chan answer
}

func (c *conn) send(frame []byte, limit time.Duration) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_ = c.SetWriteDeadline(time.Now().Add(limit))
	_, err := c.Write(frame)
	return err
}

// receive reads one message. The body is valid until the next call.
func (c *conn) receive(buf *[frameHeader + maxBody]byte) (messageType, []byte, error) {
	if _, err := io.ReadFull(c, buf[:frameHeader]); err != nil {
		return 0, nil, err
	}
	n := int(buf[2]) | int(buf[3])<<8
	if n > maxBody || buf[1] != 0 {
		return 0, nil, fmt.Errorf("%w: a message of type %d and %d bytes", transport.ErrProtocol, buf[0], n)
	}
	body := buf[frameHeader : frameHeader+n]
	_, err := io.ReadFull(c, body)
	return messageType(buf[0]), body, err
}

// handle reads messages until one ends the conversation, and returns why.
func (c *conn) handle(react func(t messageType, body []byte) error) error {
	var buf [frameHeader + maxBody]byte
	for {
		t, body, err := c.receive(&buf)
		if err != nil {
			return err
		}
		if t == msgBye {
			return errBye
		}
		if err := react(t, body); err != nil {
			return err
		}
	}
}

func unexpected(t messageType) error {
	return fmt.Errorf("%w: a message of type %d is out of place", transport.ErrProtocol, t)
}
