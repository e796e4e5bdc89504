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
	n       int // bytes of the chunk
	in, out strided.View
	next    transport.Sender
	prev    *inLink
	op      Op
}

// ringStep executes a step. Where the tensor lies in one piece and the wire can
// work on its memory, final elements never see a slot.
func (c *Comm) ringStep(o agree.Op, s *ringStep) error {
	switch s.Action {
	case ring.Send:
		return c.sendView(o, s.next, o.Walk, s.Step.Send, s.n, s.in, s.Lo, s.Hi)
	case ring.RecvReduceSend, ring.RecvReduceCopySend:
		return c.ringReduce(o, s)
	}
	home, _ := s.out.Bytes(s.Lo, s.Hi)
	received, there, err := c.expectInto(o, s.prev, s.Recv, s.n, home)
	if err != nil {
		return err
	}
	if s.Action == ring.RecvCopySend {
		if err := c.sendFrom(o, s.next, o.Walk, s.Step.Send, received); err != nil {
			return err
		}
	}
	if !there { // the chunk is on its way; what concerns only this rank comes after
		s.out.Unpack(received, s.Lo, s.Hi)
	}
	s.prev.r.Release()
	return nil
}

// ringReduce adds this rank's elements to a chunk and passes it on.
func (c *Comm) ringReduce(o agree.Op, s *ringStep) error {
	_, received, err := c.expect(o, s.prev, s.Recv, s.n, true)
	if err != nil {
		return err
	}
	last := s.Action == ring.RecvReduceCopySend
	if home, ok := s.out.Bytes(s.Lo, s.Hi); last && ok && canSendFrom(s.next, s.n) {
		s.in.ReduceOut(s.out, nil, received, s.Lo, s.Hi, s.op, c.size)
		if err := c.sendFrom(o, s.next, o.Walk, s.Step.Send, home); err != nil {
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
		s.in.ReduceOut(s.out, slot[:s.n], received, s.Lo, s.Hi, s.op, c.size)
	} else {
		s.in.ReduceInto(slot[:s.n], received, s.Lo, s.Hi, s.op)
	}
	if err := c.commit(o, s.next, o.Walk, s.Step.Send, s.n); err != nil {
		return err
	}
	s.prev.r.Release()
	return nil
}
