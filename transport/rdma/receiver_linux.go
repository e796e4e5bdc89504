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
	arrived []uint32 // by slot: bytes that have come, 0 if none
	told    uint64   // released chunks that the sender was told of
	telling int      // messages to the sender that have not completed

	header  transport.Header
	payload []byte // of the current chunk, nil if there is none
	meter   *transport.Meter

	final atomic.Uint64 // 1<<32 | how many chunks there were, once the sender has said so
}

func newReceiver(p *peer, channel uint32) *receiver {
	r := &receiver{end: end{peer: p, channel: channel, alarm: -1}, met: make(chan struct{}), meter: p.mesh.meters.Receiver()}
	r.look, r.gone = r.poll, r.over
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
	if err := r.prepare(ports, true); err != nil {
		return err
	}
	r.arrived = make([]uint32, r.slots)
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
	if r.isClosing() {
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

// poll looks what has completed.
func (r *receiver) poll() (bool, error) {
	for _, q := range r.queues {
		wcs, err := q.Poll()
		if err != nil {
			return false, r.fault(err)
		}
		for i := range wcs {
			if err := r.completed(&wcs[i]); err != nil {
				return false, err
			}
		}
	}
	return r.arrived[r.next%uint64(r.slots)] != 0, nil
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
	ahead := number - uint32(r.next)
	slot := (r.next + uint64(ahead)) % uint64(r.slots)
	if !ok || ahead >= uint32(r.slots) || r.arrived[slot] != 0 || wc.ByteLen < headSize {
		return r.violated("chunk %d of %d bytes where chunk %d is due", number, wc.ByteLen, uint32(r.next))
	}
	r.arrived[slot] = wc.ByteLen
	if r.broken != nil {
		return nil
	}
	if err := r.lanes[wc.ID>>32].qp.PostReceive(wc.ID); err != nil {
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
	slot := int(r.next % uint64(r.slots))
	if r.arrived[slot] == 0 {
		if err := r.await(ctx); err != nil {
			return err
		}
	}
	memory := r.slot(slot)
	n, err := parseHead(memory, &r.header, r.peer.mesh.cfg.SlotSize, uint32(r.next))
	if err != nil || int(r.arrived[slot]) != headSize+n {
		return r.violated("%v, and %d bytes came", err, r.arrived[slot])
	}
	r.payload = memory[headSize : headSize+n : headSize+n]
	r.meter.Add(n)
	return nil
}

func (r *receiver) Release() {
	r.call.Lock()
	defer r.call.Unlock()
	if r.payload == nil {
		panic("rdma: Release without a chunk from Next")
	}
	r.payload = nil
	defer r.leave()
	if r.isClosing() {
		return
	}
	r.arrived[r.next%uint64(r.slots)] = 0
	r.next++
	if r.next-r.told < uint64(r.slots-r.peer.mesh.cfg.Slots) {
		return
	}
	for r.telling >= r.slots { // earlier words are on their way for longer than it took to fill all slots
		if _, err := r.poll(); err != nil {
			return // Next says so
		}
		if r.broken != nil || r.peer.lost() != nil || r.isClosing() {
			return
		}
		processor.Yield()
	}
	if r.broken != nil || r.peer.lost() != nil {
		return // nobody listens
	}
	if err := r.lanes[0].qp.PostNumber(0, uint32(r.next)); err != nil {
		_ = r.fault(err) // Next says so
		return
	}
	r.telling++
	r.told = r.next
}
