package engine

import (
	"context"

	"github.com/monel-dev/monel/bruck"
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/ring"
	"github.com/monel-dev/monel/strided"
)

// ReduceScatter combines src of all ranks element by element with op and gives each
// rank a part of the result: src has Size times as many elements as dst, and rank r's
// dst is the result's logical elements [r·n, (r+1)·n), n being dst's count.
//
// Both have the same dtype, and any shapes and strides, which may differ between them
// and between ranks as long as dst's count is the same on all. In place, dst is the
// part of src that it replaces; otherwise the two must not share memory. Elements of
// dst must not overlap each other; src may be expanded. Memory between the elements of
// a view is never written.
//
// If the ranks disagree about the call, every rank gets a *MismatchError and no tensor
// has been written. Everything else, the same bits, borrowed memory, the end of ctx and
// errors, is as AllReduce has it.
func (c *Comm) ReduceScatter(ctx context.Context, dst, src strided.Tensor, op Op) error {
	if dst.OnDevice() || src.OnDevice() {
		return c.carry(ctx, c.reduceScatterOf(dst, src, op))
	}
	p, argument, err := c.prepareReduceScatter(&dst, &src, op)
	switch {
	case err != nil:
		return c.refuse(&p.call, argument, err)
	case c.queue.busy():
		return c.carry(ctx, c.reduceScatterOf(dst, src, op))
	}
	return c.conduct(ctx, &p.call, p.blocks.order, p.flat, func(o agree.Op) error { return c.reduceScatter(o, p, &dst, &src, op) })
}

// StartReduceScatter is ReduceScatter without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartReduceScatter(ctx context.Context, dst, src strided.Tensor, op Op, options ...CallOption) (*Work, error) {
	return c.begin(ctx, c.reduceScatterOf(dst, src, op), options)
}

// reduceScatterOf is the request for a call, carried out now or later.
func (c *Comm) reduceScatterOf(dst, src strided.Tensor, op Op) request {
	far := reachOf(dstSrc, &dst, &src)
	p, argument, err := c.prepareReduceScatter(&dst, &src, op)
	if err != nil {
		return refused(p.call, argument, err)
	}
	return request{call: p.call, order: p.blocks.order, reach: far, empty: dst.OnDevice() || src.OnDevice(), attempt: func(o agree.Op) error {
		return c.reduceScatter(o, p, &dst, &src, op)
	}}
}

// reduceScatter runs one attempt.
func (c *Comm) reduceScatter(o agree.Op, p *preparedBlocks, dst, src *strided.Tensor, op Op) error {
	if p.flat && o.Walk == p.blocks.order {
		return c.flatReduceScatter(o, p, dst, src)
	}
	by, err := c.operatorOf(op, src.DType())
	if err != nil {
		return err
	}
	if c.size == 1 {
		return c.scaleAlone(*dst, *src, by)
	}
	if p.how == choose.Spread {
		var s scattering // which stays on the stack, where short calls want it
		if err := s.bind(o, p, dst, src, by, c); err != nil {
			return err
		}
		if c.size == 2 {
			return c.swapReduceScatter(o, &s)
		}
		return c.spreadReduceScatter(o, &s)
	}
	s := new(scattering)
	if err := s.bind(o, p, dst, src, by, c); err != nil {
		return err
	}
	if p.how == choose.Bruck {
		return c.bruckReduceScatter(o, s)
	}
	return c.ringReduceScatter(o, s)
}

// bind views the tensors in the order that the ranks compare.
func (s *scattering) bind(o agree.Op, p *preparedBlocks, dst, src *strided.Tensor, op operator, c *Comm) (err error) {
	if s.all, err = p.blocks.viewBlocks(src, o.Walk); err != nil {
		return err
	}
	if s.one, err = p.blocks.viewOne(dst, o.Walk); err != nil {
		return err
	}
	own, err := p.blocks.viewOwn(src, o.Walk)
	if err != nil {
		return err
	}
	s.in = operand{View: s.all.View, factor: op.factor, c: c}
	s.own = operand{View: own, factor: op.factor, c: c}
	s.inPlace, s.op, s.bytes = p.inPlace, op.op, p.bytes
	return nil
}

// scattering is what a reduce_scatter works on.
type scattering struct {
	all     blockView
	one     strided.View // dst
	in      operand      // src
	own     operand      // this rank's block of it, if that is a tensor by itself
	inPlace bool
	op      Op
	bytes   int // of a block
}

// ringReduceScatter runs one attempt on the ring.
func (c *Comm) ringReduceScatter(o agree.Op, w *scattering) error {
	size := w.one.DType().Size()
	cfg := ring.Config{
		Size: c.size, Rank: c.place, Count: w.all.count,
		Chunk: int64(c.cfg.ChunkBytes / size), Align: int64(alignBytes / size), Depth: ringDepth,
	}
	plan, err := ring.ReduceScatter(cfg)
	if err != nil {
		return err
	}
	next, prev, err := c.ringLinks(o)
	if err != nil {
		return err
	}
	ahead := foresee(w.in.View, ring.ReduceScatter, cfg, func(s ring.Step) (strided.View, int64, int64) {
		at := w.all.at(c.order[s.Block])
		if s.Action == ring.RecvReduceCopy && w.ownIsTensor() {
			return w.own.View, s.Lo, s.Hi
		}
		return w.in.View, at + s.Lo, at + s.Hi
	})
	for step, ok := plan.Next(); ok; step, ok = plan.Next() {
		ahead.before()
		n := int(step.Hi-step.Lo) * size
		if step.Action == ring.RecvReduceCopy {
			_, received, err := c.expect(o, prev, step.Recv, n, true)
			if err != nil {
				return err
			}
			c.finish(w, received, step.Lo, step.Hi)
			prev.r.Release()
			ahead.after(step)
			continue
		}
		at := w.all.at(c.order[step.Block])
		step.Lo, step.Hi = at+step.Lo, at+step.Hi
		s := ringStep{Step: step, n: n, in: &w.in, next: next, prev: prev, op: w.op}
		if err := c.ringStep(o, &s); err != nil {
			return err
		}
		ahead.after(step)
	}
	return nil
}

// ownIsTensor reports whether this rank's block of src is a tensor by itself.
func (w *scattering) ownIsTensor() bool { return w.own.Count() == w.one.Count() }

// finish writes the elements [lo,hi) of dst: what was received and this rank's own.
func (c *Comm) finish(w *scattering, received []byte, lo, hi int64) {
	if w.ownIsTensor() {
		w.own.reduceOut(w.one, nil, received, lo, hi, w.op, c.size)
		return
	}
	own, at := c.partial(), w.all.at(c.rank)
	w.in.pack(own, at+lo, at+hi)
	strided.ReduceLast(w.op, w.one.DType(), own, received, own, hi-lo, c.size)
	w.one.Unpack(own, lo, hi)
}

// swapReduceScatter runs one attempt of two ranks, as the ring does it.
func (c *Comm) swapReduceScatter(o agree.Op, w *scattering) error {
	next, prev, err := c.ringLinks(o)
	if err != nil {
		return err
	}
	at := w.all.at(c.next())
	if err := c.sendOperand(o, next, 0, w.bytes, &w.in, at, at+w.all.count); err != nil {
		return err
	}
	_, received, err := c.expect(o, prev, 0, w.bytes, true)
	if err != nil {
		return err
	}
	c.finish(w, received, 0, w.all.count)
	prev.r.Release()
	return nil
}

// spreadReduceScatter runs one attempt in which every rank sends every other its block.
// They are added in the order of places.
func (c *Comm) spreadReduceScatter(o agree.Op, w *scattering) error {
	if err := c.listen(o); err != nil {
		return err
	}
	n, count := w.bytes, w.all.count
	for k := 1; k < c.size; k++ {
		rank := c.order[(c.place+k)%c.size]
		to, err := c.sender(o, rank)
		if err != nil {
			return err
		}
		at := w.all.at(rank)
		next := w.all.at(c.order[(c.place+k+1)%c.size]) // at last this rank's own
		w.in.Ahead(next, next+count)
		if err := c.sendOperand(o, to, 0, n, &w.in, at, at+count); err != nil {
			return err
		}
	}
	at := w.all.at(c.rank)
	own, _ := w.in.bytes(c.partial, at, at+count)
	if c.operands == nil {
		c.operands = make([][]byte, c.size)
	}
	defer clear(c.operands) // the tensor is the caller's again
	for place, rank := range c.order {
		if place == c.place {
			c.operands[place] = own
			continue
		}
		received, _, err := c.receiveBytes(o, rank, n)
		if err != nil {
			return err
		}
		c.operands[place] = received
	}
	sum, inDst := w.one.Bytes(0, count)
	if !inDst || w.inPlace { // in place, dst is read until the end
		if c.spare == nil {
			c.spare = make([]byte, c.cfg.ChunkBytes)
		}
		sum, inDst = c.spare[:n], false
	}
	c.fold(w.op, w.one.DType(), sum, count)
	if !inDst {
		w.one.Unpack(sum, 0, count)
	}
	for place, rank := range c.order {
		if place != c.place {
			c.in[rank].r.Release()
		}
	}
	return nil
}

// fold combines c.operands in their order, the last one as the last step of a
// reduction. out is none of them.
func (c *Comm) fold(op Op, dt strided.DType, out []byte, count int64) {
	left := c.operands[0]
	last := len(c.operands) - 1
	for _, right := range c.operands[1:last] {
		strided.Reduce(op, dt, out, left, right, count)
		left = out
	}
	strided.ReduceLast(op, dt, out, left, c.operands[last], count, c.size)
}

// bruckReduceScatter runs one attempt in log2 rounds.
func (c *Comm) bruckReduceScatter(o agree.Op, w *scattering) error {
	if err := c.listenRounds(o, bruck.ReduceScatter(c.size, c.place)); err != nil {
		return err
	}
	table, n, count, dt := c.partial(), w.bytes, w.all.count, w.one.DType()
	for i := range c.size {
		at := w.all.at(c.order[(c.place+i)%c.size])
		w.in.pack(table[i*n:(i+1)*n], at, at+count)
	}
	left := bruck.Rounds(c.size)
	for r := range bruck.ReduceScatter(c.size, c.place) {
		left--
		if err := c.sendBytes(o, c.order[r.To], table[r.Send*n:(r.Send+r.Blocks)*n]); err != nil {
			return err
		}
		received, from, err := c.receiveBytes(o, c.order[r.From], r.Blocks*n)
		if err != nil {
			return err
		}
		have := table[r.Recv*n:]
		if left == 0 {
			strided.ReduceLast(w.op, dt, have, have, received, count, c.size)
		} else {
			strided.Reduce(w.op, dt, have, have, received, count*int64(r.Blocks))
		}
		from.r.Release()
	}
	w.one.Unpack(table[:n], 0, count)
	return nil
}
