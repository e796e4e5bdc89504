// Package faulty wraps a mesh and does to it what networks and machines do, at exactly
// the chunk that a test names: for deterministic tests of what is above.
//
// Faults happen where chunks arrive, to a copy of them, so the wire below is none the
// wiser. A world's ranks share one [Plan].
package faulty

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/monel-dev/monel/transport"
)

// Kind is what happens.
type Kind int

// The kinds of faults.
const (
	Delay     Kind = iota // the chunk comes Fault.For later, and so do those after it; other links go on
	Flip                  // bit Fault.Bit of the payload is another; none if there are fewer
	FlipHead              // bit Fault.Bit of the header is another
	Truncate              // the payload's last Fault.Bit bytes are missing, or all of it
	Lose                  // the chunk never comes; those after it do
	Duplicate             // the chunk comes twice
	Stall                 // neither it nor anything after it comes, and nobody says why
	Cut                   // the link breaks: both of its ends lose the peer
	Kill                  // the receiving rank dies, by Plan.Kill, before it sees the chunk
)

func (k Kind) String() string {
	return [...]string{"delay", "flip", "flip head", "truncate", "lose", "duplicate", "stall", "cut", "kill"}[k]
}

// Fault is something that happens once.
type Fault struct {
	Kind     Kind
	From, To int // the link, on whichever channel such a chunk comes first
	At       int // to which chunk of the link, from 0
	Bit      int
	For      time.Duration
}

// Plan is what will happen in a world, and has. It may be used by several goroutines.
type Plan struct {
	Faults []Fault
	Kill   func(rank int)

	mu       sync.Mutex
	cut      map[[2]int]chan struct{} // closed once the link is cut
	happened int
	over     map[int]bool // faults, by index
}

// Happened is how many faults have happened so far.
func (p *Plan) Happened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.happened
}

func (p *Plan) wire(from, to int) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut == nil {
		p.cut = map[[2]int]chan struct{}{}
	}
	c := p.cut[[2]int{from, to}]
	if c == nil {
		c = make(chan struct{})
		p.cut[[2]int{from, to}] = c
	}
	return c
}

// at is the fault of a chunk, and counts it.
func (p *Plan) at(from, to, chunk int) (Fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, f := range p.Faults {
		if f.From == from && f.To == to && f.At == chunk && !p.over[i] {
			if p.over == nil {
				p.over = map[int]bool{}
			}
			p.over[i] = true
			p.happened++
			return f, true
		}
	}
	return Fault{}, false
}

// Wrap wraps the mesh of a rank. Its links work on the caller's memory, by copying.
func Wrap(mesh transport.Mesh, rank int, plan *Plan) transport.Mesh {
	life, end := context.WithCancel(context.Background())
	return &faultyMesh{Mesh: mesh, rank: rank, plan: plan, life: life, end: end,
		senders: map[[2]int]*sender{}, receivers: map[[2]int]*receiver{}}
}

type faultyMesh struct {
	transport.Mesh
	rank int
	plan *Plan
	life context.Context // ends with Close
	end  context.CancelFunc

	mu        sync.Mutex
	senders   map[[2]int]*sender // by peer and channel
	receivers map[[2]int]*receiver
}

// Traffic is that of the wire.
func (m *faultyMesh) Traffic() []transport.Traffic {
	if counts, ok := m.Mesh.(transport.Metered); ok {
		return counts.Traffic()
	}
	return nil
}

func (m *faultyMesh) Close() error {
	m.end()
	return m.Mesh.Close()
}

func (m *faultyMesh) Sender(ctx context.Context, peer, channel int) (transport.Sender, error) {
	s, err := m.Mesh.Sender(ctx, peer, channel)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := [2]int{peer, channel}
	if m.senders[key] == nil {
		m.senders[key] = &sender{s, m, peer, m.plan.wire(m.rank, peer)}
	}
	return m.senders[key], nil
}

func (m *faultyMesh) Receiver(ctx context.Context, peer, channel int) (transport.Receiver, error) {
	r, err := m.Mesh.Receiver(ctx, peer, channel)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := [2]int{peer, channel}
	if m.receivers[key] == nil {
		m.receivers[key] = &receiver{Receiver: r, m: m, peer: peer, cut: m.plan.wire(peer, m.rank)}
	}
	return m.receivers[key], nil
}

// within is ctx until the link is cut or the mesh closed.
func (m *faultyMesh) within(ctx context.Context, cut chan struct{}) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(m.life, cancel)
	over := make(chan struct{})
	go func() {
		select {
		case <-cut:
			cancel()
		case <-over:
		}
	}()
	return ctx, func() {
		stop()
		close(over)
		cancel()
	}
}

func (m *faultyMesh) lost(peer int) error {
	return &transport.RankError{Rank: peer, Err: fmt.Errorf("%w: the link was cut", transport.ErrPeerLost)}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

type sender struct {
	transport.Sender
	m    *faultyMesh
	peer int
	cut  chan struct{}
}

func (s *sender) Acquire(ctx context.Context) ([]byte, error) {
	if isClosed(s.cut) {
		return nil, s.m.lost(s.peer)
	}
	within, done := s.m.within(ctx, s.cut)
	defer done()
	slot, err := s.Sender.Acquire(within)
	return slot, s.m.explain(ctx, err, s.cut, s.peer)
}

// Send is Acquire, a copy of the pieces, and Commit.
func (s *sender) Send(ctx context.Context, h *transport.Header, pieces [][]byte) error {
	slot, err := s.Acquire(ctx)
	if err != nil {
		return err
	}
	n := 0
	for _, p := range pieces {
		if copy(slot[n:], p) < len(p) {
			panic("faulty: Send of more than a slot has")
		}
		n += len(p)
	}
	return s.Commit(h, n)
}

// SendLater is Send: nothing waits here.
func (s *sender) SendLater(ctx context.Context, h *transport.Header, pieces [][]byte) error {
	return s.Send(ctx, h, pieces)
}

// Flush has nothing to send.
func (s *sender) Flush() error { return nil }

// explain is what a wait's error means to whoever waits.
func (m *faultyMesh) explain(ctx context.Context, err error, cut chan struct{}, peer int) error {
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case isClosed(cut):
		return m.lost(peer)
	case m.life.Err() != nil:
		return &transport.RankError{Rank: m.rank, Err: transport.ErrClosed}
	}
	return err
}

type receiver struct {
	transport.Receiver
	m    *faultyMesh
	peer int
	cut  chan struct{}

	chunk   int // number of the current one
	seen    bool
	header  transport.Header
	payload []byte
	twice   bool // it comes once more after its release
	stalled bool
}

func (r *receiver) Next(ctx context.Context) (*transport.Header, []byte, error) {
	within, done := r.m.within(ctx, r.cut)
	defer done()
	for {
		if isClosed(r.cut) {
			return nil, nil, r.m.lost(r.peer)
		}
		if r.seen && r.m.life.Err() == nil {
			return &r.header, r.payload, nil
		}
		if r.stalled {
			<-within.Done()
			return nil, nil, r.m.explain(ctx, context.Cause(within), r.cut, r.peer)
		}
		h, payload, err := r.Receiver.Next(within)
		if err != nil {
			return nil, nil, r.m.explain(ctx, err, r.cut, r.peer)
		}
		r.header, r.payload = *h, append([]byte(nil), payload...)
		if f, ok := r.m.plan.at(r.peer, r.m.rank, r.chunk); ok && !r.twice {
			if again, err := r.suffer(within, f); err != nil {
				return nil, nil, r.m.explain(ctx, err, r.cut, r.peer)
			} else if again {
				continue
			}
		}
		r.seen = true
	}
}

// suffer has a fault happen to the current chunk. It reports whether to look again for
// what there is to receive.
func (r *receiver) suffer(ctx context.Context, f Fault) (again bool, err error) {
	switch f.Kind {
	case Delay:
		timer := time.NewTimer(f.For)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	case Flip:
		if f.Bit < 8*len(r.payload) {
			r.payload[f.Bit/8] ^= 1 << (f.Bit % 8)
		}
	case FlipHead:
		r.header[f.Bit/8] ^= 1 << (f.Bit % 8)
	case Truncate:
		r.payload = r.payload[:max(0, len(r.payload)-f.Bit)]
	case Lose:
		r.chunk++
		r.Receiver.Release()
		return true, nil
	case Duplicate:
		r.twice = true
	case Stall:
		r.stalled = true
		return true, nil
	case Cut:
		close(r.cut)
		return true, nil
	case Kill:
		r.m.plan.Kill(r.m.rank)
		r.stalled = true
		return true, nil
	}
	return false, nil
}

// Head is Next without the payload.
func (r *receiver) Head(ctx context.Context) (*transport.Header, int, error) {
	h, payload, err := r.Next(ctx)
	return h, len(payload), err
}

// Fill copies the payload.
func (r *receiver) Fill(ctx context.Context, pieces [][]byte) error {
	_, payload, err := r.Next(ctx)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		payload = payload[copy(p, payload):]
	}
	if len(payload) > 0 {
		panic("faulty: Fill of less than the chunk has")
	}
	return nil
}

func (r *receiver) Release() {
	if r.twice && r.seen {
		r.twice = false
		return // seen stays: it comes again
	}
	if r.seen {
		r.chunk++
	}
	r.seen, r.payload = false, nil
	r.Receiver.Release()
}
