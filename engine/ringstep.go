package engine

import (
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/ring"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// ringStep is one step of a ring's plan and what it works on.
type ringStep struct {
	ring.Step
	n    int // bytes of the chunk
	in   *operand
	out  strided.View
	next transport.Sender
	prev *inLink
	op   Op
	// lender is next if it can read the tensors' memory, else nil. Lent elements
	// change only to final values, which depend on what was sent.
	lender transport.Lender
}

// ringLinks are the links to and from this rank's neighbours on the ring.
func (c *Comm) ringLinks(o agree.Op) (next transport.Sender, prev *inLink, err error) {
	if next, err = c.sender(o, c.next()); err == nil {
		prev, err = c.receiver(o, c.prev())
	}
	return next, prev, err
}

// ringStep executes a step. Where the tensor lies in long pieces and the wire can
// work on its memory, final elements never see a slot.
func (c *Comm) ringStep(o agree.Op, s *ringStep) error {
	switch s.Action {
	case ring.Send:
		if s.lender != nil && s.in.factor == nil && s.canLend(s.in.View) {
			return c.lend(o, s.lender, o.Walk, s.Step.Send, s.in.View, s.Lo, s.Hi)
		}
		return c.sendOperand(o, s.next, s.Step.Send, s.n, s.in, s.Lo, s.Hi)
	case ring.RecvReduceSend, ring.RecvReduceCopySend:
		return c.ringReduce(o, s)
	}
	var home [][]byte
	if s.prev.canFill(s.n) {
		home = c.piecesOf(s.out, s.Lo, s.Hi)
	}
	received, err := c.expectInto(o, s.prev, s.Recv, s.n, home)
	if err != nil {
		return err
	}
	there := home != nil
	if s.Action == ring.RecvCopySend {
		if !there && s.canLend(s.out) {
			s.out.Unpack(received, s.Lo, s.Hi)
			if err := c.lend(o, s.lender, o.Walk, s.Step.Send, s.out, s.Lo, s.Hi); err != nil {
				return err
			}
			s.prev.r.Release()
			return nil
		}
		if !there {
			home = c.onePiece(received)
		}
		if err := c.sendFrom(o, s.next, o.Walk, s.Step.Send, s.n, home); err != nil {
			s.prev.r.Release() // a chunk that Fill has put elsewhere cannot be looked at again
			return err
		}
	}
	if !there { // the chunk is on its way; what concerns only this rank comes after
		s.out.Unpack(received, s.Lo, s.Hi)
	}
	s.prev.r.Release()
	return nil
}

// canLend reports whether the step's chunk can be sent from where it lies in a view.
func (s *ringStep) canLend(view strided.View) bool {
	return canLend(s.lender, view, s.Lo, s.Hi, s.n)
}

// ringReduce adds this rank's elements to a chunk and passes it on.
func (c *Comm) ringReduce(o agree.Op, s *ringStep) error {
	_, received, err := c.expect(o, s.prev, s.Recv, s.n, true)
	if err != nil {
		return err
	}
	last := s.Action == ring.RecvReduceCopySend
	if last && canSendFrom(s.next, s.n) {
		if home := c.piecesOf(s.out, s.Lo, s.Hi); home != nil {
			s.in.reduceOut(s.out, nil, received, s.Lo, s.Hi, s.op, c.size)
			if err := c.sendFrom(o, s.next, o.Walk, s.Step.Send, s.n, home); err != nil {
				return err
			}
			s.prev.r.Release()
			return nil
		}
	}
	if last && s.canLend(s.out) {
		s.in.reduceOut(s.out, nil, received, s.Lo, s.Hi, s.op, c.size)
		if err := c.lend(o, s.lender, o.Walk, s.Step.Send, s.out, s.Lo, s.Hi); err != nil {
			return err
		}
		s.prev.r.Release()
		return nil
	}
	slot, err := s.next.Acquire(o.Stop)
	if err != nil {
		return err
	}
	if last {
		s.in.reduceOut(s.out, slot[:s.n], received, s.Lo, s.Hi, s.op, c.size)
	} else {
		s.in.reduceInto(slot[:s.n], received, s.Lo, s.Hi, s.op)
	}
	if err := c.commit(o, s.next, o.Walk, s.Step.Send, s.n); err != nil {
		return err
	}
	s.prev.r.Release()
	return nil
}
