package engine

import (
	"context"
	"fmt"
	"iter"

	"github.com/monel-dev/monel/bruck"
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// inLink is the receiving end of a link and what an interrupted operation may
// have left in it.
type inLink struct {
	peer   int
	r      transport.Receiver
	direct transport.DirectReceiver // r, if it is one

	// dirty: an operation that used the link was cut short, so chunks of it may
	// still come, and the peer may have no free slot until they are released.
	dirty bool
	// drained is closed when the goroutine that releases those chunks has met
	// the first one that is not stale, or has been stopped.
	drained chan struct{}
	stop    context.CancelFunc
}

func newInLink(peer int, r transport.Receiver) *inLink {
	direct, _ := r.(transport.DirectReceiver)
	return &inLink{peer: peer, r: r, direct: direct}
}

// receiver returns the receiving end of the link from peer, made on first use.
func (c *Comm) receiver(op agree.Op, peer int) (*inLink, error) {
	in := c.in[peer]
	if in == nil {
		r, err := c.mesh.Receiver(op.Stop, peer, 0)
		if err != nil {
			return nil, err
		}
		in = newInLink(peer, r)
		in.dirty = c.soiled
		c.in[peer] = in
	}
	if in.dirty {
		// The executor's first step may be to wait for a slot that the peer can
		// only free by releasing stale chunks, and the peer may do the same; so
		// stale chunks are released beside it.
		in.waitDrained()
		in.dirty = false
		in.drain(op)
	}
	return in, nil
}

// listen makes sure that nothing left over keeps other ranks from sending. Who sends
// to them before it receives calls it first: its own sending may have to wait until
// they do the same.
func (c *Comm) listen(op agree.Op) error {
	if !c.soiled {
		return nil
	}
	for peer := range c.size {
		if peer == c.rank {
			continue
		}
		if _, err := c.receiver(op, peer); err != nil {
			return err
		}
	}
	return nil
}

// listenRounds is listen for those that send in some rounds.
func (c *Comm) listenRounds(op agree.Op, rounds iter.Seq[bruck.Round]) error {
	for r := range rounds {
		if _, err := c.receiver(op, c.order[r.From]); err != nil {
			return err
		}
	}
	return nil
}

// outLink is the sending end of a link, or the attempt to make it.
type outLink struct {
	s       transport.Sender
	short   transport.ShortSender // s, if it is one
	pending chan dialed           // not nil while the link is being made
}

type dialed struct {
	s   transport.Sender
	err error
}

// sender returns the sending end of the link to peer, made on first use. An
// operation that is stopped meanwhile leaves the attempt to the next: a
// connection given up halfway would look like a death to the peer.
func (c *Comm) sender(op agree.Op, peer int) (transport.Sender, error) {
	return c.dial(op, &c.out[peer], peer, 0)
}

// dial is sender for the link on any channel.
func (c *Comm) dial(op agree.Op, link *outLink, peer, channel int) (transport.Sender, error) {
	if link.s != nil {
		return link.s, nil
	}
	if link.pending == nil {
		pending := make(chan dialed, 1)
		link.pending = pending
		c.serving.Go(func() {
			s, err := c.mesh.Sender(c.life, peer, channel)
			pending <- dialed{s, err}
		})
	}
	select {
	case d := <-link.pending:
		link.s, link.pending = d.s, nil
		link.short, _ = d.s.(transport.ShortSender)
		return d.s, d.err
	case <-op.Stop.Done():
		return nil, op.Stop.Err()
	}
}

// drain starts a goroutine that releases chunks of operations before op.
func (in *inLink) drain(op agree.Op) {
	ctx, cancel := context.WithCancel(op.Stop)
	in.drained, in.stop = make(chan struct{}), cancel
	go func() {
		defer close(in.drained)
		defer cancel()
		for {
			h, _, err := in.r.Next(ctx)
			if err != nil {
				return // the executor will meet it too
			}
			if hd := decodeChunkHeader(h); !hd.stale(op) {
				return
			}
			in.r.Release()
		}
	}()
}

// stopDraining and waitDrained end the draining goroutine, if there is one. A
// nil inLink has none.
func (in *inLink) stopDraining() {
	if in != nil && in.stop != nil {
		in.stop()
	}
}

func (in *inLink) waitDrained() {
	if in != nil && in.drained != nil {
		in.stopDraining()
		<-in.drained
		in.drained, in.stop = nil, nil
	}
}

// stale reports whether the chunk belongs to an operation or attempt that this
// rank has left behind.
func (h *chunkHeader) stale(op agree.Op) bool {
	return h.seq < op.Seq || h.seq == op.Seq && h.attempt < op.Attempt()
}

// soil marks the links that an interrupted operation used, or one that this rank has
// refused and others have begun.
func (c *Comm) soil() {
	c.soiled = true
	for _, in := range c.in {
		if in != nil {
			in.dirty = true
		}
	}
}

// expect receives the chunk of op with the given index from a link. It returns
// the payload, which is valid until in.r.Release, and the sender's header.
// Chunks that do not fit raise a dispute, and expect returns with op's Stop.
func (c *Comm) expect(op agree.Op, in *inLink, index uint32, bytes int, sameWalk bool) (chunkHeader, []byte, error) {
	return c.arrival(op, in, index, bytes, sameWalk, false, op.Walk)
}

// expectInto is expect for a chunk that the link is to bring to pieces of memory
// itself, unless they are nil; then there is no payload to return. Nothing is
// written before the header has told that all ranks agree.
func (c *Comm) expectInto(op agree.Op, in *inLink, index uint32, bytes int, pieces [][]byte) (payload []byte, err error) {
	if pieces == nil {
		_, payload, err = c.expect(op, in, index, bytes, true)
		return payload, err
	}
	if _, _, err = c.arrival(op, in, index, bytes, true, true, op.Walk); err != nil {
		return nil, err
	}
	return nil, in.direct.Fill(op.Stop, pieces)
}

// canFill reports whether a chunk of so many bytes is better received by Head
// and Fill.
func (in *inLink) canFill(bytes int) bool { return in.direct != nil && bytes >= directFrom }

// arrival waits for the chunk and checks its header, or with headOnly for the
// header alone. sameWalk says that ranks must have agreed on the walk; otherwise walk is
// the one that is likely, and where a head says another, or anything else that is not
// due, the payload has been waited for and is returned in any case.
func (c *Comm) arrival(op agree.Op, in *inLink, index uint32, bytes int, sameWalk, headOnly bool, walk strided.Walk) (chunkHeader, []byte, error) {
	if in.drained != nil {
		select {
		case <-in.drained:
			in.drained, in.stop = nil, nil
		case <-op.Stop.Done():
			return chunkHeader{}, nil, op.Stop.Err()
		}
	}
	for {
		var raw *transport.Header
		var payload []byte
		var n int
		var err error
		if headOnly {
			raw, n, err = in.direct.Head(op.Stop)
		} else {
			raw, payload, err = in.r.Next(op.Stop)
			n = len(payload)
		}
		if err != nil {
			return chunkHeader{}, nil, err
		}
		h := decodeChunkHeader(raw)
		expected := h.seq == op.Seq && h.attempt == op.Attempt() && h.sig == op.Sig && h.walk == walk && h.index == index && n == bytes
		if headOnly && !expected {
			// Nothing is concluded from a head that may have been altered on its way:
			// protection covers the whole chunk.
			if _, payload, err = in.r.Next(op.Stop); err != nil {
				return h, nil, err
			}
		}
		switch {
		case h.stale(op):
			in.r.Release()
			continue
		case h.seq == op.Seq && h.attempt > op.Attempt():
			// The peer knows a verdict that is on its way here.
			<-op.Stop.Done()
			return h, nil, op.Stop.Err()
		case h.seq != op.Seq || h.sig != op.Sig || sameWalk && h.walk != op.Walk:
			c.member.Dispute(op)
			<-op.Stop.Done()
			return h, nil, op.Stop.Err()
		case h.index != index || n != bytes:
			return h, nil, &RankError{Rank: in.peer, Err: fmt.Errorf(
				"%w: chunk %d of %d bytes where chunk %d of %d bytes is due", ErrProtocol, h.index, n, index, bytes)}
		}
		return h, payload, nil
	}
}
