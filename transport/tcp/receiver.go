package tcp

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/monel-dev/monel/transport"
)

// receiver implements transport.DirectReceiver. Its caller reads the socket itself.
type receiver struct {
	mesh          *Mesh
	peer, channel int

	wire wire // nil until the first Next has accepted it
	in   inbound
	err  error // why there will be no further chunk
}

func newReceiver(m *Mesh, peer, channel int) *receiver {
	return &receiver{mesh: m, peer: peer, channel: channel, in: inbound{slotSize: m.cfg.SlotSize}}
}

func (r *receiver) Next(ctx context.Context) (*transport.Header, []byte, error) {
	if err := r.await(ctx, r.in.parse); err != nil {
		return nil, nil, err
	}
	return &r.in.header, r.in.payload(), nil
}

func (r *receiver) Head(ctx context.Context) (*transport.Header, int, error) {
	if err := r.await(ctx, r.in.head); err != nil {
		return nil, 0, err
	}
	return &r.in.header, r.in.length, nil
}

func (r *receiver) Fill(ctx context.Context, dst []byte) error {
	if !r.in.headDone || len(dst) != r.in.length {
		panic(fmt.Sprintf("tcp: Fill of %d bytes, the chunk has %d", len(dst), r.in.length))
	}
	r.in.aim(dst)
	err := r.await(ctx, r.in.parse)
	if err != nil && r.err == nil {
		r.in.aim(r.in.ownSlot()) // the link goes on, without the caller's memory
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
	if r.wire == nil {
		w, err := r.mesh.accept(ctx, r.peer, r.channel)
		if err != nil {
			return err
		}
		r.wire = w
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
		n, err := r.wire.read(ctx, r.in.space())
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
		r.err = r.mesh.fault(r.peer, "receiving from it", err)
		return r.err
	}
}

func (r *receiver) Release() {
	if !r.in.whole {
		panic("tcp: Release without a chunk from Next")
	}
	r.in.release()
}

// errInterrupted says that a context ended a wait.
var errInterrupted = errors.New("interrupted")

// errEnd says how a connection that ends orderly leaves its receiver.
func (in *inbound) end() error {
	if in.atBoundary() {
		return fmt.Errorf("its connection has ended: %w", transport.ErrPeerLost)
	}
	return fmt.Errorf("its connection has ended amid a chunk: %w", transport.ErrPeerLost)
}
