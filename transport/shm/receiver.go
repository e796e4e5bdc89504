package shm

import (
	"context"
	"unsafe"

	"github.com/monel-dev/monel/internal/publish"
	"github.com/monel-dev/monel/transport"
)

// receiver implements transport.Receiver.
type receiver struct {
	end
	met     chan struct{} // closed when the sender's segment is there, or will never be
	failure error         // why it will never be
	joined  bool          // met was seen closed

	seq     uint32 // number of the current chunk, or of the last
	told    uint32 // the last one that the sender knows to be released
	cell    int    // the next chunk's
	at      int    // the slot of the next chunk that takes one
	inSlot  bool   // the current chunk does
	header  transport.Header
	payload []byte // of the current chunk, nil if there is none
	atOnce  int    // so many chunks in a row were there when they were asked for
	meter   *transport.Meter
}

// tellEvery is how many short chunks the sender hears of together that they are
// released. It has room for several times as many, and no look at its memory is
// spared by hearing of them one by one.
const tellEvery = cells / 4

// streaming is how many chunks must have been there at once for the sender to be taken
// for one that runs ahead. Then the next chunk's cell is fetched before it is asked for,
// since to wait for another processor's cache takes as long as the rest of a short call.
// Of a sender that does not run ahead, the cell would be taken away before it is written.
const streaming = 2

func newReceiver(p *peer) *receiver {
	r := &receiver{met: make(chan struct{}), meter: p.mesh.meters.Receiver()}
	r.peer = p
	return r
}

// meet gives the end its segment, or the reason why there is none. It reports
// false if it has had either. The mesh's mutex is held.
func (r *receiver) meet(seg *segment, failure error) bool {
	select {
	case <-r.met:
		return false
	default:
	}
	r.failure = failure
	if seg != nil {
		r.bind(seg, &seg.ctl.receiverSleeps, &seg.ctl.senderSleeps)
	}
	close(r.met)
	return true
}

// join waits for the sender to make the link.
func (r *receiver) join(ctx context.Context) error {
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

func (r *receiver) Next(ctx context.Context) (*transport.Header, []byte, error) {
	if r.payload != nil {
		if r.isClosing() {
			return nil, nil, r.peer.mesh.errClosed()
		}
		return &r.header, r.payload, nil
	}
	if !r.joined {
		if err := r.join(ctx); err != nil {
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
	if r.broken != nil {
		return r.broken
	}
	c := r.seg.cell(r.cell)
	if seq := c.seq.Load(); seq == r.seq+1 {
		r.atOnce++
	} else {
		r.atOnce = 0
		if err := r.wait(ctx, &c.seq, seq); err != nil {
			return err
		}
		if seq = c.seq.Load(); seq != r.seq+1 {
			return r.violated("chunk %d where chunk %d is due", seq, r.seq+1)
		}
	}
	n := int(c.length)
	if uint(n) > uint(r.seg.slotSize) {
		return r.violated("a chunk of %d bytes, a slot has %d", n, r.seg.slotSize)
	}
	prefetch(unsafe.Add(unsafe.Pointer(c), line)) // most short chunks go on there
	r.header = c.header
	if r.inSlot = r.seg.takesSlot(n); r.inSlot {
		r.payload = r.seg.slot(r.at)[:n:n]
		if r.at++; r.at == r.seg.slots {
			r.at = 0
		}
	} else {
		r.payload = r.seg.short(r.cell, n)
	}
	if r.cell++; r.cell == cells {
		r.cell = 0
	}
	if r.atOnce >= streaming {
		next := unsafe.Pointer(r.seg.cell(r.cell))
		prefetch(next)
		prefetch(unsafe.Add(next, line))
	}
	r.seq++
	r.meter.Add(n)
	return nil
}

func (r *receiver) Release() {
	if r.payload == nil {
		panic("shm: Release without a chunk from Next")
	}
	r.payload = nil
	defer r.leave()
	if r.isClosing() {
		return
	}
	if r.inSlot || r.seq-r.told >= tellEvery {
		r.told = r.seq
		publish.Uint32(&r.seg.ctl.released, r.seq)
		wake(r.peerSleeps)
	}
}
