//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"fmt"
	"slices"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

var (
	_ transport.Lender    = (*sender)(nil)
	_ transport.Registrar = (*Mesh)(nil)
	_ transport.Keeper    = (*Mesh)(nil)
)

// Register makes memory of the caller one that chunks can be sent from. It stays
// registered for as long as the object is alive, or until others are used more.
func (m *Mesh) Register(memory []byte) { m.registry.register(memory) }

// Keep registers memory until release, whatever memory it is. The chunks of collectives
// and messages that lie in it are sent from there.
func (m *Mesh) Keep(memory []byte) (release func() error, err error) {
	g, err := m.registry.keep(memory)
	if err != nil {
		return nil, err
	}
	return func() error { m.registry.drop(g); return nil }, nil
}

// Registrations is how often memory of callers has been registered so far.
func (m *Mesh) Registrations() int64 { return m.registry.made.Load() }

// CanLend reports whether the adapters can read the memory.
func (s *sender) CanLend(memory []byte) bool {
	return len(memory) > 0 && s.peer.mesh.registry.find(memory) != nil
}

// Lend sends a chunk from the caller's memory.
func (s *sender) Lend(ctx context.Context, h *transport.Header, memory []byte) error {
	m := s.peer.mesh
	g := m.registry.borrow(func() *region { return m.registry.hostRegion(memory) })
	if g == nil && len(memory) <= m.cfg.SlotSize {
		return m.own(fmt.Errorf("rdma: %w: memory that is lent is not registered", transport.ErrInvalid))
	}
	lo, _ := span(memory)
	return s.lendFrom(ctx, h, g, lo, len(memory))
}

// lendFrom sends a chunk of n bytes from an address of a region that was borrowed.
func (s *sender) lendFrom(ctx context.Context, h *transport.Header, g *region, address uintptr, n int) error {
	s.call.Lock()
	defer s.call.Unlock()
	m, posted := s.peer.mesh, false
	defer func() {
		if !posted && g != nil {
			m.registry.open.Add(-1)
		}
	}()
	if s.payload != nil {
		s.payload = nil
		s.leave()
	}
	if n > m.cfg.SlotSize {
		panic(fmt.Sprintf("rdma: Lend of %d bytes, a slot has %d", n, m.cfg.SlotSize))
	}
	if err := s.over(); err != nil {
		return err
	}
	if !s.enter() {
		return m.errClosed()
	}
	defer s.leave()
	if !s.free() {
		if err := s.await(ctx); err != nil {
			return err
		}
	}
	l := &s.lanes[s.turn()]
	at := s.at()
	err := s.write(h, n, ibv.Piece{Addr: address, Len: n, LKey: g.mrs[l.nic.device].LKey})
	if err == nil {
		posted = true
		s.lent[at] = true
		m.registry.lent.Add(1)
	}
	return err
}

// returned notes that a slot's write reads no memory of the caller's any more.
func (s *sender) returned(slot int) {
	if s.lent[slot] {
		s.lent[slot] = false
		s.peer.mesh.registry.open.Add(-1)
	}
}

// returnAll is returned for all slots, once the queue pairs are no more.
func (s *sender) returnAll() {
	for slot := range s.lent {
		s.returned(slot)
	}
}

// Settle waits until no memory that was lent is being read. If the link is of no more
// use, the adapters are made to give up what is under way, and the error, which says why,
// comes when they have done so.
func (s *sender) Settle(ctx context.Context) error {
	s.call.Lock()
	defer s.call.Unlock()
	if !slices.Contains(s.lent, true) {
		return s.fate()
	}
	var ended, stuck error // why the link is of no more use; why the adapters cannot be asked
	s.look = func() (bool, error) {
		stuck = s.reap()
		if !slices.Contains(s.lent, true) {
			return true, nil // also if the peer has closed since
		}
		if stuck == nil && ended == nil {
			if ended = s.over(); ended != nil {
				stuck = s.giveUp()
			}
		}
		return false, nil
	}
	s.gone = func() error { return stuck }
	defer func() { s.look, s.gone = s.poll, s.over }()
	if err := s.await(ctx); err != nil {
		return err
	}
	if ended == nil {
		ended = s.fate()
	}
	return ended
}

// fate is nil if all that has completed has succeeded, else why the link is of no more use.
func (s *sender) fate() error {
	if s.broken == nil {
		return nil
	}
	return s.over()
}

// giveUp has the adapters end all requests with an error.
func (s *sender) giveUp() error {
	for i := range s.lanes {
		if err := s.lanes[i].qp.Fail(); err != nil {
			return s.fault(err)
		}
	}
	return nil
}
