package engine

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/tree"
)

// Broadcast copies src of the root to dst on every rank.
//
// src matters on the root only, where dst may be the same tensor (in place) or
// the zero Tensor; elsewhere src is ignored. The root's src and the others' dst
// have the same shape and dtype and any strides: elements are matched by their
// logical index. Elements of dst must not overlap each other. Memory between
// the elements of a view is never written.
//
// The tensors' memory is borrowed until the call returns. The root may return
// before others have received everything. A rank whose call differs from the
// root's keeps its dst untouched; it and every other rank get a
// *MismatchError, in this call or, if they had already finished it rightly, in a
// later one: their next that waits for other ranks, as a root's broadcasts do not.
// If ctx ends during the call, the communicator is aborted on all ranks.
func (c *Comm) Broadcast(ctx context.Context, dst, src strided.Tensor, root int) error {
	p, argument, err := c.prepareBroadcast(&dst, &src, root)
	switch {
	case err != nil:
		return c.refuse(&p.call, argument, err)
	case p.device || c.queue.busy():
		return c.runTask(ctx, c.broadcastTask(p, dst, src))
	}
	return c.conduct(ctx, &p.call, strided.Logical, p.flat, func(o agree.Op) error { return c.broadcast(o, p, &dst, &src) })
}

// StartBroadcast is Broadcast without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartBroadcast(ctx context.Context, dst, src strided.Tensor, root int, options ...CallOption) (*Work, error) {
	p, argument, err := c.prepareBroadcast(&dst, &src, root)
	if err != nil {
		return nil, c.refuseLater(p.call, argument, err)
	}
	return c.startTask(ctx, c.broadcastTask(p, dst, src), options)
}

// broadcastOf is the tensor that a broadcast is about on this rank.
func (c *Comm) broadcastOf(dst, src *strided.Tensor, root int) *strided.Tensor {
	if c.rank == root {
		return src
	}
	return dst
}

// broadcastTask is a broadcast to be carried out later.
func (c *Comm) broadcastTask(p *preparedBroadcast, dst, src strided.Tensor) *task {
	t := &task{call: p.call, walk: strided.Logical}
	if p.device {
		if !dst.IsZero() {
			t.tensors = append(t.tensors, argument{"dst", dst})
		}
		if c.rank == p.root {
			t.tensors = append(t.tensors, argument{"src", src})
		}
		t.onDevice = func(d *deviceRun) error { return c.deviceBroadcast(d, dst, src, p.root) }
	} else {
		t.empty = c.broadcastOf(&dst, &src, p.root).OnDevice()
		t.onHost = func(o agree.Op) error { return c.broadcast(o, p, &dst, &src) }
	}
	return t
}

// broadcast runs one attempt on tensors in host memory.
func (c *Comm) broadcast(o agree.Op, p *preparedBroadcast, dst, src *strided.Tensor) error {
	if p.planErr != nil {
		return p.planErr
	}
	if p.flat {
		if done, err := c.flatBroadcast(&o, p, dst, src); done {
			return err
		}
	}
	if c.rank != p.root {
		return c.treeReceive(o, p, dst)
	}
	if c.size > 1 {
		if err := c.treeSend(o, p, src); err != nil {
			return err
		}
	}
	if p.stays {
		return nil
	}
	return strided.Copy(*dst, *src)
}

// treePlan plans this rank's part of a broadcast of t's elements.
func (c *Comm) treePlan(t strided.Tensor, root int) (tree.Plan, error) {
	cfg := c.treeConfig(t, root, c.cfg.Algorithms.Broadcast)
	if c.cfg.Algorithms.Broadcast == autoName && c.oneHost && choose.BroadcastFlat(bytesOf(t), int64(c.cfg.HopBytes), c.size) {
		cfg.Algorithm = tree.Flat
	}
	return tree.Broadcast(cfg)
}

// treeSend is the root's part: every chunk goes to every child, in the order
// of the root's own memory, which the receivers follow.
func (c *Comm) treeSend(o agree.Op, p *preparedBroadcast, src *strided.Tensor) error {
	view := p.view.View(src)
	children, err := c.childLinks(o, p.plan.Children())
	if err != nil {
		return err
	}
	plan, walk, size := p.plan, p.walk, int64(src.DType().Size())
	if p.short {
		step, _ := plan.Next()
		for _, child := range children {
			if err := c.sendView(o, child, walk, step.Index, int(step.Hi*size), view, 0, step.Hi); err != nil {
				return err
			}
		}
		return nil
	}
	lenders := make([]transport.Lender, len(children))
	for i, child := range children {
		lenders[i] = c.lendable(child, view)
	}
	send := c.sendView
	if len(children) == 1 { // else what waits for one child would wait for the others' links, too
		send = c.sendLater
	}
	for step, ok := plan.Next(); ok && err == nil; step, ok = plan.Next() {
		n := int((step.Hi - step.Lo) * size)
		for i, child := range children {
			if canLend(lenders[i], view, step.Lo, step.Hi, n) {
				err = c.lend(o, lenders[i], walk, step.Index, view, step.Lo, step.Hi)
			} else {
				err = send(o, child, walk, step.Index, n, view, step.Lo, step.Hi)
			}
			if err != nil {
				break
			}
		}
	}
	return settle(o, flush(err, children...), lenders...)
}

// treeReceive is everybody else's part: receive from the parent, forward to
// the children, unpack.
func (c *Comm) treeReceive(o agree.Op, p *preparedBroadcast, dst *strided.Tensor) error {
	plan := p.plan
	parent, err := c.receiver(o, c.order[plan.Parent()])
	if err != nil {
		return err
	}
	children, err := c.childLinks(o, plan.Children())
	if err != nil {
		return err
	}
	var view strided.View
	walk, bound := p.walk, false
	size := int64(dst.DType().Size())
	for step, ok := plan.Next(); ok; step, ok = plan.Next() {
		n := int((step.Hi - step.Lo) * size)
		headOnly := parent.canFill(n)
		h, payload, err := c.arrival(o, parent, step.Index, n, false, headOnly, walk)
		if err != nil {
			return err
		}
		headOnly = headOnly && payload == nil
		if !bound {
			// The signatures agree, so the shapes do, and the root's order is one
			// of this tensor too.
			walk, bound = h.walk, true
			if walk == p.walk {
				view = p.view.View(dst)
			} else if view, err = viewAsked(dst, walk, parent); err != nil {
				return err
			}
		} else if h.walk != walk {
			return &RankError{Rank: parent.peer, Err: fmt.Errorf("%w: the walking order changed within an operation", ErrProtocol)}
		}
		var home [][]byte
		if headOnly {
			home = c.piecesOf(view, step.Lo, step.Hi)
		}
		there := home != nil
		switch {
		case there:
			err = parent.direct.Fill(o.Stop, home)
		case headOnly:
			_, payload, err = parent.r.Next(o.Stop)
		}
		if err != nil {
			return err
		}
		if !there && len(children) > 0 {
			home = c.onePiece(payload)
		}
		for _, child := range children {
			if err := c.sendFrom(o, child, walk, step.Index, n, home); err != nil {
				parent.r.Release() // a chunk that Fill has put elsewhere cannot be looked at again
				return err
			}
		}
		if !there {
			view.Unpack(payload, step.Lo, step.Hi)
		}
		parent.r.Release()
	}
	return nil
}

// viewAsked views a tensor in the order that the peer at the other end of a link
// asks for.
func viewAsked(dst *strided.Tensor, walk strided.Walk, by *inLink) (strided.View, error) {
	if err := walk.Validate(dst.Shape()); err != nil {
		return strided.View{}, &RankError{Rank: by.peer, Err: fmt.Errorf("%w: %v", ErrProtocol, err)}
	}
	return dst.View(walk)
}

// childLinks are the links to some places, until the next call of it.
func (c *Comm) childLinks(o agree.Op, places []int) ([]transport.Sender, error) {
	links := c.children[:0]
	for _, place := range places {
		s, err := c.sender(o, c.order[place])
		if err != nil {
			return nil, err
		}
		links = append(links, s)
	}
	c.children = links
	return links, nil
}
