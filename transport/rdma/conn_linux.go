//go:build (amd64 || arm64) && !nocuda

package rdma

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
	// byeTime is the same for the last ones.
	byeTime = 100 * time.Millisecond
)

// conn is a connection to a peer.
type conn struct {
	net.Conn
	peer   *peer
	dialed bool // by this side
	wmu    sync.Mutex
}

func (c *conn) send(frame []byte, limit time.Duration) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_ = c.SetWriteDeadline(time.Now().Add(limit))
	_, err := c.Write(frame)
	return err
}

// bye ends the conversation, after telling how many chunks each of the ends that
// send to the peer has had, if this is the connection for that.
func (c *conn) bye(ends []*end) {
	var b []byte
	for _, e := range ends {
		if e.peer == c.peer && c.dialed && e.total != nil {
			b = append(b, last{e.channel, e.total()}.encode()...)
		}
	}
	_ = c.send(append(b, frame(msgBye, nil)...), byeTime) // who does not hear it sees the end
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
