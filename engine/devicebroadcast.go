package engine

import (
	"fmt"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/tree"
)

// deviceBroadcast runs one attempt on tensors of a device.
func (c *Comm) deviceBroadcast(d *deviceRun, dst, src strided.Tensor, root int) error {
	if c.rank != root {
		return c.deviceTreeReceive(d, dst, root)
	}
	if c.size > 1 {
		if err := c.deviceTreeSend(d, src, root); err != nil {
			return err
		}
	}
	if dst.IsZero() {
		return nil
	}
	return d.copy(dst, src)
}

// deviceTreeSend is treeSend on a device.
func (c *Comm) deviceTreeSend(d *deviceRun, src strided.Tensor, root int) error {
	walk := strided.Logical
	if !c.cfg.LogicalOrder {
		walk = src.Layout().MemoryWalk()
	}
	view, err := src.View(walk)
	if err != nil {
		return err
	}
	plan, err := c.treePlan(src, root)
	if err != nil {
		return err
	}
	children, err := c.childLinks(d.Op, plan.Children())
	if err != nil {
		return err
	}
	from, out := viewOnDevice(view), d.send(walk, children...)
	for step, ok := plan.Next(); ok && err == nil; step, ok = plan.Next() {
		n := int((step.Hi - step.Lo) * from.size)
		if out.lend(&from, step.Lo, step.Hi, n, step.Index) {
			continue
		}
		var s *slot
		if s, err = d.take(&d.g.out); err == nil {
			err = d.pack(&from, step.Lo, step.Hi, s)
		}
		if err == nil {
			out.addPending(s, n, step.Index)
		}
	}
	return out.finish(err)
}

// deviceTreeReceive is treeReceive on a device.
func (c *Comm) deviceTreeReceive(d *deviceRun, dst strided.Tensor, root int) error {
	plan, err := c.treePlan(dst, root)
	if err != nil {
		return err
	}
	parent, err := c.receiver(d.Op, c.order[plan.Parent()])
	if err != nil {
		return err
	}
	children, err := c.childLinks(d.Op, plan.Children())
	if err != nil {
		return err
	}
	r := deviceTree{d: d, dst: dst, parent: parent}
	if len(children) == 0 {
		for step, ok := plan.Next(); ok && err == nil; step, ok = plan.Next() {
			err = r.step(step)
		}
		return err
	}
	r.out = d.send(strided.Logical, children...)
	for step, ok := plan.Next(); ok && err == nil; step, ok = plan.Next() {
		err = r.step(step)
	}
	return r.out.finish(err)
}

// deviceTree is what the steps of a rank below the root work on.
type deviceTree struct {
	d      *deviceRun
	dst    strided.Tensor
	parent *inLink
	to     deviceView // once the first chunk has told in which order
	walk   strided.Walk
	bound  bool
	out    *pipeline // nil if the rank sends to nobody
}

func (r *deviceTree) step(s tree.Step) error {
	d := r.d
	in, err := d.take(&d.g.in)
	if err != nil {
		return err
	}
	n := int(s.Hi-s.Lo) * r.dst.DType().Size()
	a, err := d.receive(r.parent, s.Index, n, false, r.walk)
	if err != nil {
		return err
	}
	if err := r.follow(a.h.walk); err != nil {
		return err
	}
	if err := d.bring(a, in); err != nil {
		return err
	}
	if r.out != nil {
		r.out.add(in, n, s.Index)
	}
	return d.unpack(&r.to, s.Lo, s.Hi, in)
}

// follow binds the tensor to the root's walking order.
func (r *deviceTree) follow(walk strided.Walk) error {
	if r.bound {
		if walk != r.walk {
			return &RankError{Rank: r.parent.peer, Err: fmt.Errorf("%w: the walking order changed within an operation", ErrProtocol)}
		}
		return nil
	}
	view, err := viewAsked(&r.dst, walk, r.parent)
	if err != nil {
		return err
	}
	r.to, r.walk, r.bound = viewOnDevice(view), walk, true
	if r.out != nil {
		r.out.walk = walk // read only after the first chunk has been added
	}
	return nil
}
