package engine

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// Send sends src to a peer, which calls Recv. The n-th message to a rank is what its
// n-th Recv from this one gets, apart from collectives, which messages do not meet.
//
// src's elements arrive in logical order, in whatever shape and strides the peer has;
// dtype and count are the same on both sides. src may be expanded. It is borrowed until
// the call returns, which may be before the peer has called Recv, or only after that:
// two ranks that send to each other do so in a Group.
//
// If the sides disagree, the receiver finds out, and the communicator fails on all ranks
// with an error that wraps ErrMismatch. The end of ctx aborts it too. A bad argument is
// an *ArgumentError here, and the peer is left waiting, until its timeout at most.
func (c *Comm) Send(ctx context.Context, src strided.Tensor, peer int) error {
	return c.transfer(ctx, transfer{kind: agree.Send, peer: peer, tensor: src})
}

// StartSend is Send without the wait, as StartAllReduce is AllReduce. Messages and
// collectives of a communicator are carried out one after the other, in the order in
// which they are started; what has to go on side by side belongs into a Group.
func (c *Comm) StartSend(ctx context.Context, src strided.Tensor, peer int, options ...CallOption) (*Work, error) {
	return c.startTransfer(ctx, transfer{kind: agree.Send, peer: peer, tensor: src}, options)
}

// Recv receives into dst what a peer sends with Send, which see. Elements of dst must
// not overlap each other; memory between them is never written.
func (c *Comm) Recv(ctx context.Context, dst strided.Tensor, peer int) error {
	return c.transfer(ctx, transfer{kind: agree.Recv, peer: peer, tensor: dst})
}

// StartRecv is Recv without the wait; see StartSend.
func (c *Comm) StartRecv(ctx context.Context, dst strided.Tensor, peer int, options ...CallOption) (*Work, error) {
	return c.startTransfer(ctx, transfer{kind: agree.Recv, peer: peer, tensor: dst}, options)
}

// transfer is one end of a message.
type transfer struct {
	kind   agree.Collective // agree.Send or agree.Recv
	peer   int
	tensor strided.Tensor
	view   strided.View
	far    *reach // how the tensor is reached, if it is a device's
}

// checkTransfer checks a transfer's arguments and views its tensor, by far if that is a
// device's.
func (c *Comm) checkTransfer(t *transfer, far *reach) error {
	name := "src"
	if t.kind == agree.Recv {
		name = "dst"
	}
	argument, err := c.checkRank("peer", t.peer)
	if err == nil {
		if t.kind == agree.Send {
			argument, err = checkIn(t.tensor)
		} else {
			argument, err = checkOut(t.tensor)
		}
	}
	if err == nil {
		if onDevice(&t.tensor) {
			t.far = far
		}
		far.add(name, &t.tensor)
		argument = name
		t.view, err = t.tensor.View(strided.Logical)
	}
	if err != nil {
		return &ArgumentError{Rank: c.rank, Call: t.kind.String(), Argument: argument, Err: err}
	}
	return nil
}

// describe is the message for the flight recorder and the like.
func (t *transfer) describe() agree.Call {
	return agree.NewCall(t.kind, t.tensor.DType(), 0, t.peer, []int64{t.tensor.Count()})
}

// bytes is the length of the message.
func (t *transfer) bytes() int64 { return bytesOf(t.tensor) }

func (c *Comm) transferTask(t transfer) (*task, error) {
	far := &reach{}
	if err := c.checkTransfer(&t, far); err != nil {
		return nil, err
	}
	if t.peer == c.rank {
		return nil, &ArgumentError{Rank: c.rank, Call: t.kind.String(), Argument: "peer",
			Err: fmt.Errorf("%d is this rank itself; a message to oneself needs both its ends in one Group", t.peer)}
	}
	x := &exchange{}
	k := &convoy{peer: t.peer, messages: []transfer{t}}
	one := []*convoy{k}
	if t.kind == agree.Send {
		x.sends = one
	} else {
		x.recvs = one
	}
	return &task{call: t.describe(), reach: far.used(), tensors: far.tensors, empty: t.tensor.OnDevice(), apart: func(o agree.Op) error {
		c.apart.now.Store(x)
		if t.kind == agree.Send {
			return c.sendAll(o, k)
		}
		return c.receiveAll(o, k)
	}}, nil
}

func (c *Comm) transfer(ctx context.Context, t transfer) error {
	k, err := c.transferTask(t)
	switch {
	case err != nil:
		return err
	case c.queue.busy() || k.reach != nil:
		return c.runTask(ctx, k)
	}
	return c.runApart(ctx, &k.call, k.apart)
}

func (c *Comm) startTransfer(ctx context.Context, t transfer, options []CallOption) (*Work, error) {
	k, err := c.transferTask(t)
	if err != nil {
		return nil, err
	}
	return c.startTask(ctx, k, options)
}
