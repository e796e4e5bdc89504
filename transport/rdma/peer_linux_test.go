//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
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
		c := &conn{Conn: far, peer: p}
		var buf [frameHeader + maxBody]byte
		refusal := "nothing"
		if _, body, err := c.receive(&buf); err == nil {
			if a, err := decodeAnswer(body); err == nil {
				refusal = a.refusal
			}
		}
		heard <- refusal
	}()
	o := offer{channel: maxLinks, slotSize: uint32(m.cfg.SlotSize), slots: uint32(2 * m.cfg.Slots), lanes: []address{{mtu: 1}}}
	require.NoError(t, p.offered(&conn{Conn: near, peer: p}, o.encode()[frameHeader:]))
	require.Contains(t, <-heard, "more than 4096 links")
	require.Len(t, p.receivers, maxLinks)
}
