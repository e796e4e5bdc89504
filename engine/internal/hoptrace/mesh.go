package hoptrace

import (
	"context"
	"sync"

	"github.com/monel-dev/monel/transport"
)

// Mesh is a transport's mesh with a tracer on its links. It keeps their abilities to
// work on the caller's memory, and hides all others that a transport may have.
type Mesh struct {
	transport.Mesh
	t    *Tracer
	read func(h *transport.Header) Label

	mu        sync.Mutex
	senders   map[linkKey]transport.Sender
	receivers map[linkKey]transport.Receiver
}

type linkKey struct{ peer, channel int }

// Wrap traces a mesh. read finds out which chunk a header is about.
func Wrap(mesh transport.Mesh, t *Tracer, read func(h *transport.Header) Label) *Mesh {
	return &Mesh{Mesh: mesh, t: t, read: read,
		senders: map[linkKey]transport.Sender{}, receivers: map[linkKey]transport.Receiver{}}
}

// Sender returns the sending end of the link to peer on channel, traced.
func (m *Mesh) Sender(ctx context.Context, peer, channel int) (transport.Sender, error) {
	plain, err := m.Mesh.Sender(ctx, peer, channel)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := linkKey{peer, channel}
	s := m.senders[key]
	if s == nil {
		traced := &sender{Sender: plain, m: m, peer: int32(peer), apart: channel > 0}
		s = traced
		if direct, ok := plain.(transport.DirectSender); ok {
			s = &directSender{traced, direct}
		}
		m.senders[key] = s
	}
	return s, nil
}

// Traffic is that of the mesh, if it counts.
func (m *Mesh) Traffic() []transport.Traffic {
	if counts, ok := m.Mesh.(transport.Metered); ok {
		return counts.Traffic()
	}
	return nil
}

// Receiver returns the receiving end of the link from peer on channel, traced.
func (m *Mesh) Receiver(ctx context.Context, peer, channel int) (transport.Receiver, error) {
	plain, err := m.Mesh.Receiver(ctx, peer, channel)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := linkKey{peer, channel}
	r := m.receivers[key]
	if r == nil {
		traced := &receiver{Receiver: plain, m: m, peer: int32(peer), apart: channel > 0}
		r = traced
		if direct, ok := plain.(transport.DirectReceiver); ok {
			r = &directReceiver{traced, direct}
		}
		m.receivers[key] = r
	}
	return r, nil
}

// sender times what goes over a link.
type sender struct {
	transport.Sender
	m     *Mesh
	peer  int32
	apart bool
	now   Event // of the slot that is acquired
	open  bool
}

func (s *sender) Acquire(ctx context.Context) ([]byte, error) {
	began := s.m.t.now()
	slot, err := s.Sender.Acquire(ctx)
	if err == nil && !s.open {
		s.now, s.open = Event{Kind: Sent, Peer: s.peer, Apart: s.apart, Began: began, Had: s.m.t.now()}, true
	}
	return slot, err
}

func (s *sender) Commit(h *transport.Header, n int) error {
	err := s.Sender.Commit(h, n)
	s.open = false
	if err == nil {
		s.now.Label, s.now.Bytes, s.now.Ended = s.m.read(h), int64(n), s.m.t.now()
		s.m.t.Add(s.now)
	}
	return err
}

// directSender does so for chunks that the link takes from the caller's memory. The
// wait for a slot and the sending are one there.
type directSender struct {
	*sender
	direct transport.DirectSender
}

type sendPieces = func(ctx context.Context, h *transport.Header, pieces [][]byte) error

func (s *directSender) Send(ctx context.Context, h *transport.Header, pieces [][]byte) error {
	return s.timed(ctx, h, pieces, s.direct.Send)
}

// SendLater counts a chunk that waits as sent: the wait is the sender's own choice.
func (s *directSender) SendLater(ctx context.Context, h *transport.Header, pieces [][]byte) error {
	return s.timed(ctx, h, pieces, s.direct.SendLater)
}

func (s *directSender) Flush() error { return s.direct.Flush() }

func (s *directSender) timed(ctx context.Context, h *transport.Header, pieces [][]byte, send sendPieces) error {
	e := Event{Kind: Sent, Peer: s.peer, Apart: s.apart, Label: s.m.read(h), Began: s.m.t.now()}
	e.Had = e.Began
	for _, p := range pieces {
		e.Bytes += int64(len(p))
	}
	err := send(ctx, h, pieces)
	if err == nil {
		e.Ended = s.m.t.now()
		s.m.t.Add(e)
	}
	return err
}

// receiver times what comes over a link.
type receiver struct {
	transport.Receiver
	m     *Mesh
	peer  int32
	apart bool
	now   Event // of the chunk that is there
	open  bool
}

// arrived notes that a chunk's header is there, once.
func (r *receiver) arrived(began *Event, h *transport.Header, n int) {
	if !r.open {
		began.Label, began.Bytes, began.Had = r.m.read(h), int64(n), r.m.t.now()
		r.now, r.open = *began, true
	}
}

func (r *receiver) begin() Event {
	return Event{Kind: Received, Peer: r.peer, Apart: r.apart, Began: r.m.t.now()}
}

func (r *receiver) Next(ctx context.Context) (*transport.Header, []byte, error) {
	e := r.begin()
	h, payload, err := r.Receiver.Next(ctx)
	if err == nil {
		r.arrived(&e, h, len(payload))
	}
	return h, payload, err
}

func (r *receiver) Release() {
	r.Receiver.Release()
	if r.open {
		r.open = false
		r.now.Ended = r.m.t.now()
		r.m.t.Add(r.now)
	}
}

// directReceiver does so for chunks that the link brings to the caller's memory.
type directReceiver struct {
	*receiver
	direct transport.DirectReceiver
}

func (r *directReceiver) Head(ctx context.Context) (*transport.Header, int, error) {
	e := r.begin()
	h, n, err := r.direct.Head(ctx)
	if err == nil {
		r.arrived(&e, h, n)
	}
	return h, n, err
}

func (r *directReceiver) Fill(ctx context.Context, pieces [][]byte) error {
	return r.direct.Fill(ctx, pieces)
}
