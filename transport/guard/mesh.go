package guard

import (
	"context"
	"fmt"
	"sync"

	"github.com/monel-dev/monel/transport"
)

// protection is a way to protect the chunks of a link. A slot of the wire is one of the
// layer above with room in front of and behind it.
type protection interface {
	room() (front, back int)
	// link makes the state of one direction of a link. Both of its ends get the same.
	link(from, to, channel int) guard
}

// guard protects the chunks of a link in their order.
type guard interface {
	// shut protects chunk number i, whose payload is n bytes behind the front room of
	// slot, and returns the header to send and how many bytes of the slot.
	shut(i uint64, h *transport.Header, slot []byte, n int) (transport.Header, int)
	// open undoes it. It may write to chunk. A false means that this is not what was
	// shut as chunk number i.
	open(i uint64, h *transport.Header, chunk []byte) (transport.Header, []byte, bool)
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
func (m *Mesh) SlotSize() int {
	front, back := m.p.room()
	return m.Mesh.SlotSize() - front - back
}

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
		slots := &sender{wire: wire, guard: m.p.link(m.rank, peer, channel)}
		slots.front, slots.back = m.p.room()
		s = slots
		if direct, ok := wire.(transport.DirectSender); ok && slots.guard == (checksum{}) {
			s = &directSender{sender: slots, direct: direct, size: m.SlotSize()}
		}
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
		slots := &receiver{wire: wire, guard: m.p.link(peer, m.rank, channel), peer: peer}
		r = slots
		if direct, ok := wire.(transport.DirectReceiver); ok && slots.guard == (checksum{}) {
			r = &directReceiver{receiver: slots, direct: direct}
		}
		m.receivers[end{peer, channel}] = r
	}
	return r, nil
}

type sender struct {
	wire        transport.Sender
	guard       guard
	front, back int
	slot        []byte // as the wire has it, nil if none is acquired
	next        uint64
}

func (s *sender) Acquire(ctx context.Context) ([]byte, error) {
	slot, err := s.wire.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	s.slot = slot
	end := len(slot) - s.back
	return slot[s.front:end:end], nil
}

func (s *sender) Commit(h *transport.Header, n int) error {
	if s.slot == nil || n < 0 || n > len(s.slot)-s.front-s.back {
		panic(fmt.Sprintf("guard: Commit of %d bytes in a slot of %d, or without one", n, len(s.slot)-s.front-s.back))
	}
	outer, all := s.guard.shut(s.next, h, s.slot, n)
	s.slot = nil
	s.next++
	return s.wire.Commit(&outer, all)
}

type receiver struct {
	wire  transport.Receiver
	guard guard
	peer  int
	next  uint64

	open    bool // header and payload are those of the current chunk
	header  transport.Header
	payload []byte
	err     error // the link has carried something wrong
}

func (r *receiver) Next(ctx context.Context) (*transport.Header, []byte, error) {
	if r.err != nil {
		return nil, nil, r.err
	}
	h, chunk, err := r.wire.Next(ctx)
	if err != nil {
		return nil, nil, err
	}
	if r.open { // the same chunk again
		return &r.header, r.payload, nil
	}
	var ok bool
	if r.header, r.payload, ok = r.guard.open(r.next, h, chunk); !ok {
		return nil, nil, r.corrupt(len(chunk), true)
	}
	r.open = true
	r.next++
	return &r.header, r.payload, nil
}

// corrupt ends the link: its current chunk, of n bytes, is not what was sent. All of it
// has come if it is there.
func (r *receiver) corrupt(n int, there bool) error {
	r.err = &transport.RankError{Rank: r.peer, Err: fmt.Errorf(
		"%w: chunk %d of %d bytes on the link from it is not what it sent", transport.ErrCorrupt, r.next, n)}
	if there {
		r.wire.Release()
	}
	return r.err
}

func (r *receiver) Release() {
	if !r.open && r.err != nil {
		return
	}
	r.open, r.payload = false, nil
	r.wire.Release()
}
