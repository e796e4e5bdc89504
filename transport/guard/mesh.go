package guard

import (
	"context"
	"fmt"
	"sync"

	"github.com/monel-dev/monel/transport"
)

// protection is a way to protect the chunks of a link.
type protection interface {
	// room is how much larger than those of the layer above the wire's slots are.
	room() int
	// sender and receiver wrap an end of the link from a rank to another on a channel.
	sender(wire transport.Sender, from, to, channel int) transport.Sender
	receiver(wire transport.Receiver, from, to, channel int) transport.Receiver
}

// Mesh is a mesh whose chunks are protected.
type Mesh struct {
	transport.Mesh
	p    protection
	rank int

	mu        sync.Mutex
	senders   map[end]transport.Sender
	receivers map[end]transport.Receiver
}

type end struct{ peer, channel int }

func wrap(mesh transport.Mesh, rank int, p protection) *Mesh {
	return &Mesh{Mesh: mesh, p: p, rank: rank, senders: map[end]transport.Sender{}, receivers: map[end]transport.Receiver{}}
}

// SlotSize is the number of payload bytes, without what protects them.
func (m *Mesh) SlotSize() int { return m.Mesh.SlotSize() - m.p.room() }

// Traffic is that of the wire, with what protects its chunks.
func (m *Mesh) Traffic() []transport.Traffic {
	if counts, ok := m.Mesh.(transport.Metered); ok {
		return counts.Traffic()
	}
	return nil
}

// Sender returns the sending end of the link to peer on channel.
func (m *Mesh) Sender(ctx context.Context, peer, channel int) (transport.Sender, error) {
	wire, err := m.Mesh.Sender(ctx, peer, channel)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.senders[end{peer, channel}]
	if s == nil {
		s = m.p.sender(wire, m.rank, peer, channel)
		m.senders[end{peer, channel}] = s
	}
	return s, nil
}

// Receiver returns the receiving end of the link from peer on channel.
func (m *Mesh) Receiver(ctx context.Context, peer, channel int) (transport.Receiver, error) {
	wire, err := m.Mesh.Receiver(ctx, peer, channel)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.receivers[end{peer, channel}]
	if r == nil {
		r = m.p.receiver(wire, peer, m.rank, channel)
		m.receivers[end{peer, channel}] = r
	}
	return r, nil
}

// state is what a receiver of protected chunks knows.
type state struct {
	peer   int
	next   uint64           // the number of the next chunk to look at
	open   bool             // the current one has been looked at and is right
	header transport.Header // of the current chunk, as the layer above gets it
	err    error            // the link has carried something wrong
}

// corrupt ends the link: its current chunk, of n bytes, is not what was sent.
func (s *state) corrupt(wire transport.Receiver, n int) error {
	s.err = &transport.RankError{Rank: s.peer, Err: fmt.Errorf(
		"%w: chunk %d of %d bytes on the link from it is not what it sent", transport.ErrCorrupt, s.next, n)}
	wire.Release()
	return s.err
}

// release releases the current chunk, unless corrupt has done so.
func (s *state) release(wire transport.Receiver) {
	if !s.open && s.err != nil {
		return
	}
	s.open = false
	wire.Release()
}
