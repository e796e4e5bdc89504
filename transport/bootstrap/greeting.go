package bootstrap

import (
	"fmt"
	"time"

	"github.com/monel-dev/monel/transport"
)

// greeting is what a rank says to the root.
type greeting struct {
	peer        Peer
	size        int
	instance    uint64        // random, tells a process that comes again from another one
	patience    time.Duration // how long it will wait
	anywhere    bool          // its listener is bound to all interfaces: Addr may be replaced
	fingerprint string
}

const maxGreeting = maxPeer + 4 + 8 + 8 + 1 + 2 + maxFingerprint

func (g *greeting) encode() []byte {
	var e encoder
	g.peer.encode(&e)
	e.u32(uint32(g.size))
	e.u64(g.instance)
	e.u64(uint64(g.patience))
	if g.anywhere {
		e.u8(1)
	} else {
		e.u8(0)
	}
	e.text(g.fingerprint, maxFingerprint)
	return e.b
}

func decodeGreeting(b []byte) (*greeting, error) {
	d := decoder{b: b}
	g := &greeting{}
	g.peer.decode(&d)
	g.size = d.number("world size", 1, MaxSize)
	g.instance = d.u64()
	g.patience = time.Duration(d.u64())
	switch d.u8() {
	case 0:
	case 1:
		g.anywhere = true
	default:
		d.fail("malformed greeting")
	}
	g.fingerprint = d.text(maxFingerprint)
	if err := d.end(); err != nil {
		return nil, err
	}
	if g.patience < 0 || !g.peer.Addr.IsValid() || g.peer.Addr.Port() == 0 {
		return nil, fmt.Errorf("%w: malformed greeting", transport.ErrProtocol)
	}
	return g, nil
}
