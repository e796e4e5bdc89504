package tcp

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/monel-dev/monel/transport"
)

// receiver implements transport.DirectReceiver. Its caller reads the sockets
// itself: frame i from connection i modulo their number.
type receiver struct {
	mesh          *Mesh
	peer, channel int

	lanes []inlane
	cur   *inlane // the one with the current frame
	turn  int     // its index
	ready bool    // all lanes have been accepted
	err   error   // why there will be no further chunk
}

// inlane is one of a receiver's connections.
type inlane struct {
	wire wire // nil until accepted
	in   inbound
}

func newReceiver(m *Mesh, peer, channel int) *receiver {
	r := &receiver{mesh: m, peer: peer, channel: channel, lanes: make([]inlane, m.cfg.connectionsTo(peer))}
	for j := range r.lanes {
		r.lanes[j].in = inbound{slotSize: m.cfg.SlotSize, number: uint32(j), step: uint32(len(r.lanes))}
	}
	r.cur = &r.lanes[0]
	return r
}

func (r *receiver) Next(ctx context.Context) (*transport.Header, []byte, error) {
	in := &r.cur.in
	if in.whole && in.away {
		panic("tcp: Next of a chunk that Fill has put elsewhere")
	}
	if err := r.await(ctx, in.parse); err != nil {
		return nil, nil, err
	}
	return &in.header, in.payload(), nil
}

func (r *receiver) Head(ctx context.Context) (*transport.Header, int, error) {
	in := &r.cur.in
	if err := r.await(ctx, in.head); err != nil {
		return nil, 0, err
	}
	return &in.header, in.length, nil
}

func (r *receiver) Fill(ctx context.Context, pieces [][]byte) error {
	in := &r.cur.in
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	if !in.headDone || n != in.length {
		panic(fmt.Sprintf("tcp: Fill of %d bytes, the chunk has %d", n, in.length))
	}
	in.aim(pieces...)
	err := r.await(ctx, in.parse)
	if err != nil {
		in.aimAtSlot() // what goes on, goes on without the caller's memory
	}
	return err
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
	l := r.cur
	for {
		done, err := there()
		if err != nil {
			r.err = r.mesh.fault(r.peer, "receiving from it", err)
			return r.err
		}
		if done {
			return nil
		}
		bufs := l.in.space()
		n, err := l.wire.read(ctx, bufs)
		clear(bufs) // no memory of the caller's is held on to
		l.in.filled(n)
		if n > 0 || err == nil {
			continue // an error after bytes comes again
		}
		if err == errInterrupted {
			return ctx.Err()
		}
		if err == io.EOF {
			err = l.in.end()
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
	r.err = r.mesh.fault(r.peer, "receiving from it", err)
	for j := range r.lanes {
		r.lanes[j].wire.close()
	}
	return r.err
}

func (r *receiver) Release() {
	if !r.cur.in.whole {
		panic("tcp: Release without a chunk from Next")
	}
	r.cur.in.release()
	if r.turn++; r.turn == len(r.lanes) {
		r.turn = 0
	}
	r.cur = &r.lanes[r.turn]
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
