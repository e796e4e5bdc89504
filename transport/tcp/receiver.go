package tcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/monel-dev/monel/transport"
)

// receiver implements transport.DirectReceiver. Its caller reads the first socket
// itself, and helpers the stripes that come over the others.
type receiver struct {
	mesh          *Mesh
	peer, channel int
	meter         *transport.Meter

	in     inbound
	lanes  []inlane // the connections
	cut    bool     // the lanes know their stripes of the current chunk
	pieces [][]byte // of a stripe; scratch
	ready  bool     // all lanes have been accepted
	err    error    // why there will be no further chunk

	failure atomic.Pointer[failure] // that of the first connection that failed
}

func newReceiver(m *Mesh, peer, channel int) *receiver {
	r := &receiver{mesh: m, peer: peer, channel: channel, meter: m.meters.Receiver(), lanes: make([]inlane, m.cfg.connectionsTo(peer))}
	r.in = inbound{slotSize: m.cfg.SlotSize, connections: len(r.lanes)}
	for j := range r.lanes {
		l := &r.lanes[j]
		l.link = r
		l.helper.init(&m.cfg, m.help, l.read)
	}
	return r
}

func (r *receiver) Next(ctx context.Context) (*transport.Header, []byte, error) {
	if r.in.away && r.whole() {
		panic("tcp: Next of a chunk that Fill has put elsewhere")
	}
	if err := r.fetch(ctx, nil); err != nil {
		return nil, nil, err
	}
	return &r.in.header, r.in.payload(), nil
}

func (r *receiver) Head(ctx context.Context) (*transport.Header, int, error) {
	if err := r.await(ctx, r.in.head); err != nil {
		return nil, 0, err
	}
	return &r.in.header, r.in.cut.total, nil
}

func (r *receiver) Fill(ctx context.Context, pieces [][]byte) error {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	if !r.in.headDone || n != r.in.cut.total {
		panic(fmt.Sprintf("tcp: Fill of %d bytes, the chunk has %d", n, r.in.cut.total))
	}
	if pieces == nil {
		pieces = [][]byte{}
	}
	return r.fetch(ctx, pieces)
}

// whole reports whether all of the current chunk is there.
func (r *receiver) whole() bool {
	if !r.in.whole {
		return false
	}
	if r.in.cut.count > 1 {
		for j := range r.lanes {
			if r.lanes[j].left > 0 {
				return false
			}
		}
	}
	return true
}

// fetch waits for the current chunk's payload, which goes into the pieces, or into the
// slot if they are nil.
func (r *receiver) fetch(ctx context.Context, pieces [][]byte) error {
	in := &r.in
	if len(r.lanes) > 1 {
		if err := r.await(ctx, in.head); err != nil {
			return err
		}
		if in.cut.count > 1 {
			return r.gather(ctx, pieces)
		}
	}
	if pieces != nil {
		in.aimAt(pieces...)
	}
	err := r.await(ctx, in.parse)
	if err != nil && pieces != nil {
		in.aimAtSlot() // what goes on, goes on without the caller's memory
	}
	return err
}

// gather is fetch for a chunk of several stripes.
func (r *receiver) gather(ctx context.Context, pieces [][]byte) error {
	in := &r.in
	if r.mesh.isClosed() {
		return r.mesh.errClosed()
	}
	if r.err != nil {
		return r.err
	}
	fresh := !r.cut
	if fresh {
		r.cut = true
		for j := range r.lanes {
			r.lanes[j].left = in.cut.length(j) // none of the first, and beyond the last
		}
		r.lanes[0].left = 0
	}
	switch {
	case pieces != nil:
		r.aimAt(pieces)
	case fresh:
		r.aimAtSlot()
	}
	for j := range r.lanes {
		if l := &r.lanes[j]; l.left > 0 {
			l.ctx, l.busy = ctx, true
			l.helper.offer()
		}
	}
	err := r.await(ctx, in.parse)
	for j := range r.lanes {
		if l := &r.lanes[j]; l.busy {
			l.helper.finish()
			if err == nil && l.left > 0 {
				err = ctx.Err() // unless it has failed
			}
			l.ctx, l.busy = nil, false
		}
	}
	if f := r.failure.Load(); f != nil {
		r.err = f.error
		err = r.err
	}
	if err != nil && pieces != nil {
		r.aimAtSlot()
	}
	return err
}

// aimAt makes the stripes of the current chunk go into the pieces.
func (r *receiver) aimAt(pieces [][]byte) {
	for j := range r.in.cut.count {
		lo, hi := r.in.cut.bounds(j)
		r.pieces = between(r.pieces[:0], pieces, lo, hi)
		if j == 0 {
			r.in.aimAt(r.pieces...)
		} else {
			r.lanes[j].at(r.pieces...)
		}
	}
	clear(r.pieces)
}

func (r *receiver) aimAtSlot() {
	r.in.aimAtSlot()
	for j := 1; j < r.in.cut.count; j++ {
		r.lanes[j].at(r.in.home(j))
	}
}

// await reads until there says that what the caller waits for is at hand.
func (r *receiver) await(ctx context.Context, there func() (bool, error)) error {
	if r.mesh.isClosed() {
		return r.mesh.errClosed()
	}
	if r.err != nil {
		return r.err
	}
	if !r.ready {
		if err := r.accept(ctx); err != nil {
			return err
		}
	}
	for {
		done, err := there()
		if err != nil {
			r.err = r.mesh.fault(r.peer, "receiving from it", err)
			return r.err
		}
		if done {
			return nil
		}
		bufs := r.in.space()
		n, err := r.lanes[0].wire.read(ctx, bufs)
		clear(bufs) // no memory of the caller's is held on to
		r.in.filled(n)
		if n > 0 || err == nil {
			continue // an error after bytes comes again
		}
		if err == errInterrupted {
			return ctx.Err()
		}
		if err == io.EOF {
			err = r.in.end()
		}
		return r.broke(err)
	}
}

// accept waits for the connections that are not there.
func (r *receiver) accept(ctx context.Context) error {
	for j := range r.lanes {
		l := &r.lanes[j]
		if l.wire != nil {
			continue
		}
		w, err := r.mesh.accept(ctx, r.peer, r.channel*len(r.lanes)+j)
		if err != nil {
			return err
		}
		l.wire = w
	}
	r.ready = true
	return nil
}

// broke ends the link after one of its connections has failed with err, and
// returns what to say. The others are closed as well: the sender may have
// nothing more for the one that failed, and wait for room in them.
func (r *receiver) broke(err error) error {
	r.fail(err)
	r.err = r.failure.Load().error
	return r.err
}

// fail is broke for those who may not be the only ones. What fails after the first
// connection fails because of it.
func (r *receiver) fail(err error) {
	if r.failure.CompareAndSwap(nil, &failure{r.mesh.fault(r.peer, "receiving from it", err)}) {
		for j := range r.lanes {
			r.lanes[j].wire.close()
		}
	}
}

func (r *receiver) Release() {
	if !r.whole() {
		panic("tcp: Release without a chunk from Next")
	}
	r.meter.Add(r.in.cut.total)
	r.in.release()
	if r.cut {
		r.cut = false
		for j := range r.lanes {
			r.lanes[j].target.none()
		}
	}
}

// errInterrupted says that a context ended a wait.
var errInterrupted = errors.New("interrupted")

// end says how a connection that ends orderly leaves its receiver.
func (in *inbound) end() error {
	if in.atBoundary() {
		return fmt.Errorf("its connection has ended: %w", transport.ErrPeerLost)
	}
	return fmt.Errorf("its connection has ended amid a chunk: %w", transport.ErrPeerLost)
}
