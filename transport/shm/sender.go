package shm

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/monel-dev/monel/internal/publish"
	"github.com/monel-dev/monel/transport"
)

// sender implements transport.ShortSender.
type sender struct {
	end
	slot []byte // acquired, or nil
	cell int    // the next chunk's
	at   int    // the number of the acquired slot, or of the next

	sent     uint32 // chunks committed
	released uint32 // of those, known to be released

	distance distance
	staging  []byte   // memory of this process, or nil
	staged   bool     // the acquired slot is that
	placed   bool     // the acquired slot's chunk lies in the segment already
	left     [][]byte // scratch of look

	meter *transport.Meter
	// taken are the slots whose chunks are not known to be released: the last
	// ones before at, with the numbers of these chunks.
	taken int
	most  int // that may be so
	by    [MaxSlots]uint32
}

func newSender(p *peer, seg *segment) *sender {
	s := &sender{most: p.mesh.cfg.Slots, meter: p.mesh.meters.Sender()}
	s.peer = p
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

// take waits until the next cell and the next slot are free, and acquires the slot.
func (s *sender) take(ctx context.Context) error {
	for s.sent-s.released == cells || s.taken == s.most {
		released := s.seg.ctl.released.Load()
		if released == s.released {
			if err := s.wait(ctx, &s.seg.ctl.released, released); err != nil {
				return err
			}
			released = s.seg.ctl.released.Load()
		}
		if released-s.released > s.sent-s.released {
			return s.violated("it says that it has released %d chunks more than the %d it had", released-s.released, s.sent-s.released)
		}
		s.released = released
		s.reclaim()
	}
	s.slot, s.placed = s.seg.slot(s.at), false
	if s.staged = s.distance.due(); s.staged {
		s.slot = s.stage()
	}
	return nil
}

// reclaim finds out which slots the released chunks have given back.
func (s *sender) reclaim() {
	for s.taken > 0 {
		oldest := s.at - s.taken
		if oldest < 0 {
			oldest += s.seg.slots
		}
		if int32(s.released-s.by[oldest]) < 0 {
			return
		}
		s.taken--
	}
}

// cellsAhead is how far ahead of its use a cell is fetched: not the next one, which the
// receiver may be watching by then.
const cellsAhead = 4

// prepare fetches a cell that will be written soon from the receiver's cache. To wait
// for it then would take longer than all else in a short Commit.
func (s *sender) prepare() {
	c := unsafe.Pointer(s.seg.cell((s.cell + cellsAhead - 1) % cells))
	own(c) // of two lines
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
	if err := s.failed(); err != nil {
		s.leave()
		return err
	}
	if !s.seg.takesSlot(n) {
		copy(s.seg.short(s.cell, n), slot)
	} else {
		switch {
		case s.placed:
		case s.staged:
			s.place([][]byte{slot[:n]}, n)
		default:
			s.distance.skipped(n)
		}
		s.by[s.at] = s.sent + 1
		s.taken++
		if s.at++; s.at == s.seg.slots {
			s.at = 0
		}
	}
	s.send(h, n)
	s.leave()
	return nil
}

func (s *sender) SendShort(ctx context.Context, h *transport.Header, payload []byte) error {
	if n := len(payload); s.slot == nil && n <= smallSize && s.enter() {
		if s.failed() == nil && s.sent-s.released < cells {
			copy(s.seg.cell(s.cell).small[:], payload)
			s.send(h, n)
			s.leave()
			return nil
		}
		s.leave()
	}
	slot, err := s.Acquire(ctx)
	if err != nil {
		return err
	}
	return s.Commit(h, copy(slot[:len(payload)], payload))
}

// send sends what lies in the next cell, or where it says.
func (s *sender) send(h *transport.Header, n int) {
	c := s.seg.cell(s.cell)
	c.length = uint32(n)
	copyHeader(&c.header, h)
	if s.cell++; s.cell == cells {
		s.cell = 0
	}
	s.sent++
	publish.Uint32(&c.seq, s.sent)
	wake(s.peerSleeps)
	s.meter.Add(n)
	s.prepare()
}
