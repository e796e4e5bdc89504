//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"fmt"
	"time"
	"unsafe"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// sender implements transport.Sender.
type sender struct {
	end
	meter    *transport.Meter
	pieces   [2]ibv.Piece
	payload  []byte           // of the acquired slot, or nil
	header   transport.Header // of the last chunk
	sent     uint64           // chunks committed; the next has this number
	released uint64           // of those, known to be released
	// The same of chunks that took a slot, not a cell; and by cell how many there were
	// before the chunk that had the cell last, or that would have had it.
	filled, emptied uint64
	filledBefore    []uint64
	writing         []bool // by slot: its write has not completed
	lent            []bool // by slot: its write reads memory of the caller's
	cellular        bool   // short chunks take cells
}

func newSender(p *peer, channel uint32) (*sender, error) {
	s := &sender{end: end{peer: p, channel: channel}, meter: p.mesh.meters.Sender()}
	m := p.mesh
	var ports []*nic
	for i := range len(m.nics) * m.cfg.Settings.QPs {
		ports = append(ports, m.nics[i%len(m.nics)])
	}
	err := s.prepare(ports)
	if err == nil {
		err = s.allow(0)
	}
	if err != nil {
		_ = s.destroy(time.Time{}, 0) // err says more
		return nil, m.own(err)
	}
	s.writing, s.lent = make([]bool, s.slots), make([]bool, s.slots)
	s.filledBefore = make([]uint64, s.cells)
	s.look, s.gone, s.linger, s.total, s.destroyed = s.poll, s.over, s.finish, s.committed, s.returnAll
	return s, nil
}

func (s *sender) offer() *offer {
	return &offer{
		channel: s.channel, slotSize: uint32(s.peer.mesh.cfg.SlotSize), slots: uint32(s.slots),
		memory: s.address() + uint64(s.tailAt()), lanes: s.addresses(),
	}
}

// connect connects this end with the peer's.
func (s *sender) connect(a *answer) error {
	s.remote = a.memory
	s.cellular = a.cells
	for i := range s.lanes {
		s.cellular = s.cellular && s.lanes[i].qp.Inline >= cellSize
	}
	return s.join(a.lanes)
}

// at is the slot that is filled next.
func (s *sender) at() int { return int(s.filled % uint64(s.slots)) }

// free reports whether the next slot may be filled, and sent, by itself or in a cell.
func (s *sender) free() bool {
	l := &s.lanes[s.turn()]
	return s.sent-s.released < uint64(s.cells) && s.filled-s.emptied < uint64(s.slots) && !s.writing[s.at()] &&
		l.posted-l.reaped < uint32(2*s.cells)
}

// poll looks what has completed, and whether the next slot may be filled.
func (s *sender) poll() (bool, error) {
	if err := s.reap(); err != nil {
		return false, err
	}
	return s.broken == nil && s.free(), s.broken
}

// reap takes all that has completed, whatever has become of it: what has failed is in
// broken. The error is that of a queue that cannot be read.
func (s *sender) reap() error {
	for _, q := range s.queues {
		wcs, err := q.Poll()
		if err != nil {
			return s.fault(err)
		}
		for i := range wcs {
			_ = s.completed(&wcs[i]) // it is in broken, too
		}
	}
	return nil
}

func (s *sender) completed(wc *ibv.WC) error {
	switch {
	case wc.Status != ibv.Success:
		s.finished(wc.ID) // a receive has nothing of a request in its id
		return s.breakdown(wc)
	case !wc.Opcode.IsReceive():
		s.lanes[laneOf(wc.ID)].reaped = uint32(wc.ID)
		s.finished(wc.ID)
		return nil
	}
	total, ok := wc.Imm()
	more := uint64(total - uint32(s.released))
	if !ok || more > s.sent-s.released {
		return s.violated("it says that it has released %d chunks more than the %d it had", more, s.sent-s.released)
	}
	s.released += more
	if s.emptied = s.filled; s.released < s.sent {
		s.emptied = s.filledBefore[s.released%uint64(s.cells)]
	}
	lane := laneOf(wc.ID)
	s.lanes[lane].owed++
	if err := s.repay(lane, repayAt); err != nil {
		return s.fault(err)
	}
	return nil
}

// finished notes that a request is over. If it was the write of a slot, that reads no
// memory any more, neither the slot's nor what was lent.
func (s *sender) finished(id uint64) {
	if slot := int(id >> 32 & 0xffff); slot > 0 {
		s.writing[slot-1] = false
		s.returned(slot - 1)
	}
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
	if n <= cellPayload && s.cellular {
		return s.writeCell(h, s.slot(s.at())[headSize:headSize+n])
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
	s.header = *h
	l := &s.lanes[i]
	offset := at * stride(s.peer.mesh.cfg.SlotSize)
	s.pieces[0] = ibv.Piece{Addr: uintptr(s.address()) + uintptr(offset), Len: headSize + n, LKey: s.regions[l.queue].LKey}
	pieces := s.pieces[:1]
	if len(elsewhere) > 0 {
		s.pieces[0].Len = headSize
		s.pieces[1] = elsewhere[0]
		pieces = s.pieces[:2]
	}
	w := ibv.Write{
		ID: s.request(i) | uint64(at+1)<<32, Remote: s.remote + uint64(offset), RKey: l.rkey,
		Tell: true, Number: uint32(s.sent) &^ inCell,
	}
	if err := l.qp.PostWrite(&w, pieces); err != nil {
		return s.fault(err)
	}
	l.quiet = 0
	s.writing[at] = true
	s.filledBefore[s.sent%uint64(s.cells)] = s.filled
	s.filled++
	s.sent++
	s.meter.Add(n)
	return nil
}

// inCell is set in the number that comes with a chunk in a cell. The others are the
// chunk's number.
const inCell = 1 << 31

// request counts one more request of a lane and returns its id.
func (s *sender) request(lane int) uint64 {
	l := &s.lanes[lane]
	l.posted++
	return laneID(lane) | uint64(l.posted)
}

// signalEvery is how many chunks in cells have one that completes visibly.
const signalEvery = 16

// writeCell sends a payload in a cell. The receiver's adapter reports it unless the
// receiver watches the cells.
func (s *sender) writeCell(h *transport.Header, payload []byte) error {
	i := s.turn()
	l := &s.lanes[i]
	cell := int(s.sent % uint64(s.cells))
	watched := s.watched()
	scratch := s.cell(1)
	n := putCell((*[cellSize]byte)(scratch), h, &s.header, payload, markOf(s.sent))
	s.header = *h
	s.pieces[0] = ibv.Piece{Addr: uintptr(unsafe.Pointer(unsafe.SliceData(scratch))), Len: n, LKey: s.regions[l.queue].LKey}
	l.quiet++
	w := ibv.Write{
		ID: s.request(i), Remote: s.remote + uint64(s.tailAt()+cell*cellSize), RKey: l.rkey,
		Tell: !watched, Number: uint32(s.sent) | inCell, Quiet: l.quiet < signalEvery,
	}
	if !w.Quiet {
		l.quiet = 0
	}
	if err := l.qp.PostWrite(&w, s.pieces[:1]); err != nil {
		return s.fault(err)
	}
	if watched && !s.watched() { // the receiver may not have seen it any more
		if err := l.qp.PostNumber(s.request(i), uint32(s.sent)|inCell); err != nil {
			return s.fault(err)
		}
		l.quiet = 0
	}
	s.filledBefore[cell] = s.filled
	s.sent++
	s.meter.Add(len(payload))
	return nil
}

// watched reports whether the receiver says that it watches the cells.
func (s *sender) watched() bool { return wordOf(s.tail(), 0) != 0 }

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
	for i := range s.lanes { // a visible request behind quiet ones
		if l := &s.lanes[i]; l.quiet > 0 && s.broken == nil {
			if l.qp.PostWrite(&ibv.Write{ID: s.request(i), Remote: s.remote, RKey: l.rkey}, nil) != nil {
				return
			}
			l.quiet = 0
		}
	}
	for {
		if _, err := s.poll(); err != nil || s.broken != nil || s.peer.lost() != nil {
			return
		}
		open := false
		for i := range s.lanes {
			open = open || s.lanes[i].posted != s.lanes[i].reaped
		}
		if !open || time.Now().After(deadline) {
			return
		}
		time.Sleep(20 * time.Microsecond)
	}
}
