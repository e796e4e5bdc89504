//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"fmt"
	"time"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// sender implements transport.Sender.
type sender struct {
	end
	remote uint64 // address of the peer's slots

	pieces   [2]ibv.Piece
	payload  []byte // of the acquired slot, or nil
	sent     uint64 // chunks committed; the next has this number
	released uint64 // of those, known to be released
	writing  []bool // by slot: its write has not completed
	lent     []bool // by slot: its write reads memory of the caller's
	meter    *transport.Meter
}

func newSender(p *peer, channel uint32) (*sender, error) {
	s := &sender{end: end{peer: p, channel: channel}, meter: p.mesh.meters.Sender()}
	m := p.mesh
	var ports []*nic
	for i := range len(m.nics) * m.cfg.Settings.QPs {
		ports = append(ports, m.nics[i%len(m.nics)])
	}
	err := s.prepare(ports, false)
	if err == nil {
		err = s.allow(0)
	}
	if err != nil {
		_ = s.destroy(time.Time{}, 0) // err says more
		return nil, m.own(err)
	}
	s.writing, s.lent = make([]bool, s.slots), make([]bool, s.slots)
	s.look, s.gone, s.linger, s.total = s.poll, s.over, s.finish, s.committed
	return s, nil
}

func (s *sender) offer() *offer {
	lanes := s.addresses()
	for i := range lanes {
		lanes[i].rkey = 0
	}
	return &offer{channel: s.channel, slotSize: uint32(s.peer.mesh.cfg.SlotSize), slots: uint32(s.slots), lanes: lanes}
}

// connect connects this end with the peer's.
func (s *sender) connect(a *answer) error {
	s.remote = a.memory
	return s.join(a.lanes)
}

func (s *sender) at() int { return int(s.sent % uint64(s.slots)) }

// free reports whether the next slot may be filled.
func (s *sender) free() bool {
	return s.sent-s.released < uint64(s.slots) && !s.writing[s.at()]
}

// poll looks what has completed.
func (s *sender) poll() (bool, error) {
	for _, q := range s.queues {
		wcs, err := q.Poll()
		if err != nil {
			return false, s.fault(err)
		}
		for i := range wcs {
			if err := s.completed(&wcs[i]); err != nil {
				return false, err
			}
		}
	}
	return s.free(), nil
}

func (s *sender) completed(wc *ibv.WC) error {
	switch {
	case wc.Status != ibv.Success:
		return s.breakdown(wc)
	case !wc.Opcode.IsReceive():
		s.writing[uint32(wc.ID)] = false
		s.returned(int(uint32(wc.ID)))
		return nil
	}
	total, ok := wc.Imm()
	more := uint64(total - uint32(s.released))
	if !ok || more > s.sent-s.released {
		return s.violated("it says that it has released %d chunks more than the %d it had", more, s.sent-s.released)
	}
	s.released += more
	if err := s.lanes[wc.ID>>32].qp.PostReceive(wc.ID); err != nil {
		return s.fault(err)
	}
	return nil
}

// over returns why there is no point in sending, if so.
func (s *sender) over() error {
	if s.isClosing() {
		return s.peer.mesh.errClosed()
	}
	if err := s.peer.lost(); err != nil {
		return err // it says more than what follows from it
	}
	return s.failed()
}

func (s *sender) Acquire(ctx context.Context) ([]byte, error) {
	s.call.Lock()
	defer s.call.Unlock()
	if err := s.over(); err != nil {
		if s.payload != nil && s.isClosing() {
			s.payload = nil
			s.leave()
		}
		return nil, err
	}
	if s.payload != nil {
		return s.payload, nil
	}
	if !s.enter() {
		return nil, s.peer.mesh.errClosed()
	}
	if !s.free() {
		if err := s.await(ctx); err != nil {
			s.leave()
			return nil, err
		}
	}
	s.payload = s.slot(s.at())[headSize:]
	return s.payload, nil
}

func (s *sender) Commit(h *transport.Header, n int) error {
	s.call.Lock()
	defer s.call.Unlock()
	if s.payload == nil {
		panic("rdma: Commit without an acquired slot")
	}
	if n < 0 || n > len(s.payload) {
		panic(fmt.Sprintf("rdma: Commit of %d bytes in a slot of %d", n, len(s.payload)))
	}
	s.payload = nil
	defer s.leave()
	if err := s.over(); err != nil {
		return err
	}
	return s.write(h, n)
}

// turn is the lane of the next chunk.
func (s *sender) turn() int { return int(s.sent % uint64(len(s.lanes))) }

// write posts the write of the next chunk, whose n bytes of payload are in its slot,
// or else where elsewhere says.
func (s *sender) write(h *transport.Header, n int, elsewhere ...ibv.Piece) error {
	at, i := s.at(), s.turn()
	putHead(s.slot(at), h, n, uint32(s.sent))
	l := &s.lanes[i]
	offset := at * stride(s.peer.mesh.cfg.SlotSize)
	s.pieces[0] = ibv.Piece{Addr: uintptr(s.address()) + uintptr(offset), Len: headSize + n, LKey: s.regions[l.queue].LKey}
	pieces := s.pieces[:1]
	if len(elsewhere) > 0 {
		s.pieces[0].Len = headSize
		s.pieces[1] = elsewhere[0]
		pieces = s.pieces[:2]
	}
	if err := l.qp.PostWrite(uint64(i)<<32|uint64(at), s.remote+uint64(offset), l.rkey, uint32(s.sent), pieces...); err != nil {
		return s.fault(err)
	}
	s.writing[at] = true
	s.sent++
	s.meter.Add(n)
	return nil
}

// committed is how many chunks there have been, modulo 2^32.
func (s *sender) committed() uint32 {
	s.call.Lock()
	defer s.call.Unlock()
	return uint32(s.sent)
}

// finish waits until the peer's adapter has acknowledged all that was committed.
func (s *sender) finish(deadline time.Time) {
	s.call.Lock()
	defer s.call.Unlock()
	for {
		if _, err := s.poll(); err != nil || s.broken != nil || s.peer.lost() != nil {
			return
		}
		open := false
		for _, w := range s.writing {
			open = open || w
		}
		if !open || time.Now().After(deadline) {
			return
		}
		time.Sleep(20 * time.Microsecond)
	}
}
