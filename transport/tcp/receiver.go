package tcp

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/monel-dev/monel/transport"
)

// receiver implements transport.Receiver. Its caller reads the socket itself.
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
	if r.mesh.isClosed() {
		return nil, nil, r.mesh.errClosed()
	}
	if r.err != nil {
		return nil, nil, r.err
	}
	if r.wire == nil {
		w, err := r.mesh.accept(ctx, r.peer, r.channel)
		if err != nil {
			return nil, nil, err
		}
		r.wire = w
	}
	for {
		whole, err := r.in.parse()
		if err != nil {
			r.err = r.mesh.fault(r.peer, "receiving from it", err)
			return nil, nil, r.err
		}
		if whole {
			return &r.in.header, r.in.payload(), nil
		}
		n, err := r.wire.read(ctx, r.in.space())
		r.in.filled(n)
		if n > 0 || err == nil {
			continue // an error after bytes comes again
		}
		if err == errInterrupted {
			return nil, nil, ctx.Err()
		}
		if err == io.EOF {
			err = r.in.end()
		}
		r.err = r.mesh.fault(r.peer, "receiving from it", err)
		return nil, nil, r.err
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
