package shm

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/transport"
)

// sender implements transport.Sender.
type sender struct {
	end
	slot []byte // acquired, or nil
	cur  uint8  // its number

	sent     uint32          // chunks committed
	released uint32          // of those, known to be released
	flight   [MaxSlots]uint8 // the slot of chunk number i, at i % MaxSlots
	free     []uint8         // slots that are free, those released last at the end

	// big: the last chunk was large enough for it to pay to look for slots just
	// released, which are still in the cache, before taking another.
	big bool
}

// bigChunk is from which payload size on a chunk is big: passing it between
// processors takes much longer than asking the peer what it has released.
const bigChunk = 4 << 10

func newSender(p *peer, seg *segment) *sender {
	s := &sender{free: make([]uint8, 0, seg.slots)}
	s.peer = p
	for i := seg.slots; i > 0; i-- {
		s.free = append(s.free, uint8(i-1))
	}
	s.bind(seg, &seg.ctl.senderSleeps, &seg.ctl.receiverSleeps)
	return s
}

func (s *sender) Acquire(ctx context.Context) ([]byte, error) {
	if s.slot == nil && !s.enter() {
		return nil, s.peer.mesh.errClosed()
	}
	if err := s.failed(); err != nil {
		if s.slot == nil {
			s.leave()
		}
		return nil, err
	}
	if s.slot != nil {
		return s.slot, nil
	}
	if err := s.take(ctx); err != nil {
		s.leave()
		return nil, err
	}
	return s.slot, nil
}

// take waits for a free slot and acquires it.
func (s *sender) take(ctx context.Context) error {
	if len(s.free) == 0 || s.big {
		if err := s.collect(); err != nil {
			return err
		}
	}
	for len(s.free) == 0 {
		if err := s.wait(ctx, &s.seg.ctl.released, s.released); err != nil {
			return err
		}
		if err := s.collect(); err != nil {
			return err
		}
	}
	last := len(s.free) - 1
	s.cur, s.free = s.free[last], s.free[:last]
	s.slot = s.seg.slot(int(s.cur))
	return nil
}

// collect notes which slots the receiver has released.
func (s *sender) collect() error {
	released := s.seg.ctl.released.Load()
	if released-s.released > s.sent-s.released {
		return s.violated("it has released %d chunks more than the %d that were sent", released-s.sent, s.sent)
	}
	for ; s.released != released; s.released++ {
		s.free = append(s.free, s.flight[s.released%MaxSlots])
	}
	return nil
}

func (s *sender) Commit(h *transport.Header, n int) error {
	if s.slot == nil {
		panic("shm: Commit without an acquired slot")
	}
	if n < 0 || n > len(s.slot) {
		panic(fmt.Sprintf("shm: Commit of %d bytes in a slot of %d", n, len(s.slot)))
	}
	slot := s.slot
	s.slot = nil
	defer s.leave()
	if err := s.failed(); err != nil {
		s.free = append(s.free, s.cur)
		return err
	}
	s.flight[s.sent%MaxSlots] = s.cur
	s.sent++
	c := s.seg.cell(s.sent)
	c.what = uint32(s.cur)<<lengthBits | uint32(n)
	c.header = *h
	if n <= smallSize {
		copy(c.small[:], slot[:min(smallSize, len(slot))])
	}
	c.seq.Store(s.sent)
	wake(s.peerSleeps)
	s.big = n >= bigChunk
	return nil
}

// violated makes the link useless, because the peer has written nonsense. If
// the mesh is being closed the segment may no longer be there: that is no fault.
func (e *end) violated(format string, args ...any) error {
	if e.isClosing() {
		return e.peer.mesh.errClosed()
	}
	e.broken = e.peer.errorf("shm: %w: %s", transport.ErrProtocol, fmt.Sprintf(format, args...))
	return e.broken
}
