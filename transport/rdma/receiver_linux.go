//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/processor"
)

// receiver implements transport.Receiver.
type receiver struct {
	end
	met     chan struct{} // closed when the sender's end is there, or never will be
	failure error         // why it never will be
	joined  bool          // met was seen closed

	next    uint64   // number of the chunk that is due, or current
	arrived []uint32 // by cell: bytes that have been reported, 0 if none, or inCell
	told    uint64   // released chunks that the sender was told of
	telling int      // messages to the sender that have not completed
	// The same of chunks that took a slot: the number of the one that is due, or
	// current, and of those that the sender was told of.
	nextFilled, toldFilled uint64

	meter   *transport.Meter
	header  transport.Header
	payload []byte // of the current chunk, nil if there is none
	filled  bool   // it is in a slot
	short   [cellPayload]byte
	length  int // of the chunk that was taken from its cell; -1 if none was

	watching   bool // the sender was told that the cells are being watched
	retracting bool // it was told that they are not, and may not have heard
	quick      int  // chunks in cells since the last sleep

	final atomic.Uint64 // 1<<32 | how many chunks there were, once the sender has said so
}

func newReceiver(p *peer, channel uint32) *receiver {
	r := &receiver{end: end{peer: p, channel: channel, alarm: -1}, met: make(chan struct{}), meter: p.mesh.meters.Receiver()}
	r.length = -1
	r.look, r.gone, r.glance, r.drowse = r.poll, r.over, r.take, r.unwatch
	return r
}

func (r *receiver) isMet() bool {
	select {
	case <-r.met:
		return true
	default:
		return false
	}
}

// make makes the end for the sender's.
func (r *receiver) make(o *offer) error {
	m := r.peer.mesh
	if int(o.slotSize) != m.cfg.SlotSize || int(o.slots) != 2*m.cfg.Slots {
		return fmt.Errorf("rdma: %w: the peer has %d slots of %d bytes, this rank %d of %d",
			transport.ErrInvalid, o.slots, o.slotSize, 2*m.cfg.Slots, m.cfg.SlotSize)
	}
	if len(o.lanes) == 0 {
		return fmt.Errorf("rdma: %w: a link without queue pairs", transport.ErrProtocol)
	}
	var ports []*nic
	for i := range o.lanes {
		ports = append(ports, m.nics[i%len(m.nics)])
	}
	if err := r.prepare(ports); err != nil {
		return err
	}
	r.remote = o.memory
	r.arrived = make([]uint32, r.cells)
	for i := range r.lanes {
		if err := r.allow(i); err != nil {
			return err
		}
	}
	return r.join(o.lanes)
}

// meet says that the end is there, or why it never will be.
func (r *receiver) meet(failure error) {
	r.failure = failure
	close(r.met)
}

// wait waits for the sender to make the link.
func (r *receiver) wait(ctx context.Context) error {
	if r.peer.mesh.ctx.Err() != nil { // an end that could not be made is closed, too
		return r.peer.mesh.errClosed()
	}
	select {
	case <-r.met:
		return r.failure
	default:
	}
	select {
	case <-r.met:
		return r.failure
	case <-r.peer.mesh.ctx.Done():
		return r.peer.mesh.errClosed()
	case <-ctx.Done():
		return ctx.Err()
	case <-r.peer.gone:
	}
	select {
	case <-r.met:
		return r.failure
	default:
		return r.peer.lost()
	}
}

// drain looks what has completed, and returns how much.
func (r *receiver) drain() (seen int, err error) {
	for _, q := range r.queues {
		wcs, err := q.Poll()
		if err != nil {
			return seen, r.fault(err)
		}
		for i := range wcs {
			if err := r.completed(&wcs[i]); err != nil {
				return seen, err
			}
		}
		seen += len(wcs)
	}
	return seen, nil
}

// poll looks what has completed, and whether the chunk that is due is there.
func (r *receiver) poll() (bool, error) {
	if _, err := r.drain(); err != nil {
		return false, err
	}
	return r.take() || r.arrived[r.next%uint64(r.cells)] != 0, nil
}

// take takes the chunk that is due from its cell, and reports whether it is there.
func (r *receiver) take() bool {
	n, found := takeCell(r.cell(int(r.next%uint64(r.cells))), markOf(r.next), &r.header, &r.short)
	switch found {
	case complete:
		r.length = n
	case nonsense:
		_ = r.violated("chunk %d is nonsense", uint32(r.next))
	}
	return found == complete
}

func (r *receiver) completed(wc *ibv.WC) error {
	switch {
	case wc.Status != ibv.Success:
		_ = r.breakdown(wc) // what has arrived is still delivered
		return nil
	case !wc.Opcode.IsReceive():
		r.telling--
		return nil
	}
	number, ok := wc.Imm()
	ahead := int32(number<<1-uint32(r.next)<<1) >> 1 // of 31 bits
	inItsCell := number&inCell != 0
	switch i := (r.next + uint64(int64(ahead))) % uint64(r.cells); {
	case !ok || ahead >= int32(r.cells) || ahead < -int32(r.cells) || ahead < 0 && !inItsCell:
		return r.violated("chunk %d where chunk %d is due", number, uint32(r.next))
	case ahead < 0 || ahead == 0 && r.length >= 0: // it was seen in its cell
	case inItsCell:
		r.arrived[i] = inCell
	case r.arrived[i] != 0 || wc.ByteLen < headSize:
		return r.violated("chunk %d of %d bytes where chunk %d is due", number, wc.ByteLen, uint32(r.next))
	default:
		r.arrived[i] = wc.ByteLen
	}
	if r.broken != nil {
		return nil
	}
	lane := laneOf(wc.ID)
	r.lanes[lane].owed++
	if err := r.repay(lane, repayAt); err != nil {
		return r.fault(err)
	}
	return nil
}

// byeWait is how long chunks may take to show that a peer speaks of when it
// closes. They were in this side's adapter before.
const byeWait = 2 * time.Second

// over returns why there is nothing more to receive, if so.
func (r *receiver) over() error {
	if r.isClosing() {
		return r.peer.mesh.errClosed()
	}
	if lost := r.peer.lost(); lost != nil {
		since := r.peer.orderly.Load()
		if since == 0 || r.broken != nil || time.Now().UnixNano()-since > int64(byeWait) {
			return lost
		}
		final := r.final.Load()
		if final == 0 && r.peer.said.Load() || final == 1<<32|uint64(uint32(r.next)) {
			return lost
		}
		return nil // there is more to come
	}
	return r.failed()
}

func (r *receiver) Next(ctx context.Context) (*transport.Header, []byte, error) {
	r.call.Lock()
	defer r.call.Unlock()
	if r.payload != nil {
		if r.isClosing() {
			return nil, nil, r.peer.mesh.errClosed()
		}
		return &r.header, r.payload, nil
	}
	if !r.joined {
		r.call.Unlock() // nothing is there to be guarded yet
		err := r.wait(ctx)
		r.call.Lock()
		if err != nil {
			return nil, nil, err
		}
		r.joined = true
	}
	if !r.enter() {
		return nil, nil, r.peer.mesh.errClosed()
	}
	if err := r.fetch(ctx); err != nil {
		r.leave()
		return nil, nil, err
	}
	return &r.header, r.payload, nil
}

// fetch waits for the next chunk and makes it the current one.
func (r *receiver) fetch(ctx context.Context) error {
	i := r.next % uint64(r.cells)
	if r.arrived[i] == 0 && !r.take() {
		if err := r.await(ctx); err != nil {
			return err
		}
	}
	if r.length >= 0 || r.arrived[i] == inCell {
		if r.length < 0 && !r.take() {
			return r.violated("chunk %d is not in its cell", uint32(r.next))
		}
		r.payload, r.filled = r.short[:r.length:r.length], false
		r.quick++
		r.meter.Add(r.length)
		return nil
	}
	memory := r.slot(int(r.nextFilled % uint64(r.slots)))
	n, err := parseHead(memory, &r.header, r.peer.mesh.cfg.SlotSize, uint32(r.next))
	if err != nil || int(r.arrived[i]) != headSize+n {
		return r.violated("%v, and %d bytes came", err, r.arrived[i])
	}
	r.payload, r.filled = memory[headSize:headSize+n:headSize+n], true
	r.meter.Add(n)
	return nil
}

func (r *receiver) Release() {
	r.call.Lock()
	defer r.call.Unlock()
	if r.payload == nil {
		panic("rdma: Release without a chunk from Next")
	}
	r.payload, r.length = nil, -1
	defer r.leave()
	if r.isClosing() {
		return
	}
	i := int(r.next % uint64(r.cells))
	r.arrived[i] = 0
	if r.filled {
		r.nextFilled++
	}
	if stale(r.next, r.cells) { // also if this chunk took a slot: what the cell holds is older
		clear(r.cell(i))
	}
	r.next++
	if r.next-r.told >= uint64(r.cells/2) || r.nextFilled-r.toldFilled >= uint64(r.slots-r.peer.mesh.cfg.Slots) {
		r.tell()
	}
	if !r.watching && r.quick >= watchAfter && r.spin.limit > 0 {
		r.watch()
	}
}

// tell tells the sender how many chunks have been released. It reads all that has
// been reported first, so that receives have been posted for what the sender may send
// then.
func (r *receiver) tell() {
	for more := true; more || r.telling >= r.cells; {
		n := r.telling
		seen, err := r.drain()
		if err != nil || r.broken != nil || r.peer.lost() != nil || r.isClosing() {
			return // nobody listens, and Next says so
		}
		if more = seen > 0; !more && n >= r.cells { // earlier words are on their way for longer than it took to fill all cells
			processor.Yield()
		}
	}
	if err := r.lanes[0].qp.PostNumber(0, uint32(r.next)); err != nil {
		_ = r.fault(err) // Next says so
		return
	}
	r.telling++
	r.told, r.toldFilled = r.next, r.nextFilled
}
