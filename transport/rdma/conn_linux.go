//go:build (amd64 || arm64) && !nocuda

package rdma

import "github.com/monel-dev/monel/transport/internal/converse"

// conn is a connection to a peer.
type conn struct {
	converse.Conn
	peer   *peer
	dialed bool // by this side
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
	_ = c.Send(append(b, protocol.EncodeBye()...), converse.ByeTime) // who does not hear it sees the end
}
