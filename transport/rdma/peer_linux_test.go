//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/transport/internal/converse"
)

// TestTooManyLinks: a peer cannot make this rank hold links without end.
func TestTooManyLinks(t *testing.T) {
	m, p := loneMesh(t)
	for channel := range uint32(maxLinks) {
		p.receiver(channel)
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	heard := make(chan string, 1)
	go func() {
		c := converse.Conn{Conn: far}
		refusal := "nothing"
		if _, body, err := c.Receive(make([]byte, converse.FrameHeader+maxBody)); err == nil {
			if a, err := decodeAnswer(body); err == nil {
				refusal = a.refusal
			}
		}
		heard <- refusal
	}()
	o := offer{channel: maxLinks, slotSize: uint32(m.cfg.SlotSize), slots: uint32(2 * m.cfg.Slots), lanes: []address{{mtu: 1}}}
	require.NoError(t, p.offered(&conn{Conn: converse.Conn{Conn: near}, peer: p}, o.encode()[converse.FrameHeader:]))
	require.Contains(t, <-heard, "more than 4096 links")
	require.Len(t, p.receivers, maxLinks)
}
