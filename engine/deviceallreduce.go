package engine

import (
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/ring"
	"github.com/monel-dev/monel/strided"
)

// deviceAllReduce runs one attempt on tensors of a device.
func (c *Comm) deviceAllReduce(d *deviceRun, p *prepared, dst, src strided.Tensor, op Op) error {
	switch {
	case c.size == 1:
		return d.copy(dst, src)
	case p.by != choose.Doubling:
		return c.deviceRing(d, dst, src, op)
	}
	return c.deviceSmall(d, p, dst, src, op)
}

// copy copies src to dst, unless they are the same.
func (d *deviceRun) copy(dst, src strided.Tensor) error {
	if dst.Address() == src.Address() {
		return nil // they share an element, and may share some only if they share all
	}
	in, out, err := bind(dst.Layout().MemoryWalk(), dst, src)
	if err != nil {
		return err
	}
	to, from := viewOnDevice(out), viewOnDevice(in)
	return d.move(&to, &from)
}

// deviceSmall reduces a tensor that fits into a chunk: it is packed into pinned
// memory, reduced there as a tensor of the host, and unpacked.
func (c *Comm) deviceSmall(d *deviceRun, p *prepared, dst, src strided.Tensor, op Op) error {
	in, out, err := bind(d.Walk, dst, src)
	if err != nil {
		return err
	}
	packed, err := src.Layout().Packed(d.Walk)
	if err != nil {
		return err
	}
	s := &d.g.scratch
	here := strided.FromBytes(src.DType(), s.host[:packed.Bytes()]).WithLayout(packed)
	from, to := viewOnDevice(in), viewOnDevice(out)
	if err := d.pack(&from, 0, from.Count, s); err != nil {
		return err
	}
	if err := d.gate.await(d.Stop, s.ticket); err != nil {
		return err
	}
	onHost := *p
	if onHost.src, err = here.Recipe(d.Walk); err != nil {
		return err
	}
	onHost.walk, onHost.dst = d.Walk, onHost.src
	if err := c.allReduce(d.Op, &onHost, &here, &here, op); err != nil {
		return err
	}
	return d.unpack(&to, 0, to.Count, s)
}

// deviceRing is ringAllReduce on a device.
func (c *Comm) deviceRing(d *deviceRun, dst, src strided.Tensor, op Op) error {
	in, out, err := bind(d.Walk, dst, src)
	if err != nil {
		return err
	}
	plan, err := c.ringPlan(in)
	if err != nil {
		return err
	}
	next, err := c.sender(d.Op, c.next())
	if err != nil {
		return err
	}
	prev, err := c.receiver(d.Op, c.prev())
	if err != nil {
		return err
	}
	r := deviceRing{d: d, from: viewOnDevice(in), to: viewOnDevice(out), prev: prev, op: op, out: d.send(d.Walk, next)}
	for step, ok := plan.Next(); ok && err == nil; step, ok = plan.Next() {
		err = r.step(step)
	}
	return r.out.finish(err)
}

// deviceRing is what the steps of a ring work on.
type deviceRing struct {
	d        *deviceRun
	from, to deviceView
	prev     *inLink
	op       Op
	out      *pipeline
}

func (r *deviceRing) step(s ring.Step) error {
	d := r.d
	n := int((s.Hi - s.Lo) * r.from.size)
	if s.Action == ring.Send {
		if r.out.lend(&r.from, s.Lo, s.Hi, n, s.Send) {
			return nil
		}
		out, err := d.take(&d.g.out)
		if err != nil {
			return err
		}
		if err := d.pack(&r.from, s.Lo, s.Hi, out); err != nil {
			return err
		}
		r.out.addPending(out, n, s.Send)
		return nil
	}
	in, err := d.receiveInto(r.prev, s.Recv, n)
	if err != nil {
		return err
	}
	switch s.Action {
	case ring.RecvReduceSend, ring.RecvReduceCopySend:
		out, err := d.take(&d.g.out)
		if err != nil {
			return err
		}
		if s.Action == ring.RecvReduceSend {
			err = d.reduceInto(&r.from, s.Lo, s.Hi, out, in, r.op)
		} else {
			err = d.reduceOut(&r.to, &r.from, s.Lo, s.Hi, out, in, r.op)
		}
		if err != nil {
			return err
		}
		r.out.addPending(out, n, s.Send)
		return nil
	case ring.RecvCopySend: // the chunk is on its way; what concerns only this rank comes after
		r.out.add(in, n, s.Send)
	}
	return d.unpack(&r.to, s.Lo, s.Hi, in)
}
