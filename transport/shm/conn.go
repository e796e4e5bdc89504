package shm

import "github.com/monel-dev/monel/transport/internal/converse"

// conn is a connection to a peer.
type conn struct {
	converse.Conn
	peer *peer

	// For offers under way; guarded by the mesh's mutex.
	lastID  uint32
	pending map[uint32]chan answer
}
