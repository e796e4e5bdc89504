package engine

import (
	"context"
	"slices"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/tree"
)

// Reduce combines src of all ranks element by element with op and writes the result to
// the root's dst.
//
// dst matters on the root only, where it may be the same tensor as src (in place), and
// otherwise shares no memory with it; elsewhere it is ignored. Elements are matched in
// logical order: all tensors have the same dtype and count, and any shapes and strides.
// Elements of dst must not overlap each other; src may be expanded. Memory between the
// elements of a view is never written.
//
// The tensors' memory is borrowed until the call returns. A rank may return before the
// root has received everything. If the ranks disagree about the call, the root's dst is
// untouched and every rank gets a *MismatchError, in this call or, if it had already
// finished, in a later one, as for Broadcast. The result has the same bits in every run
// and on every transport, given the same world size, root, count, dtype, chunk size
// and Config.Algorithms.
func (c *Comm) Reduce(ctx context.Context, dst, src strided.Tensor, op Op, root int) error {
	return c.carry(ctx, c.reduce(dst, src, op, root))
}

// StartReduce is Reduce without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartReduce(ctx context.Context, dst, src strided.Tensor, op Op, root int, options ...CallOption) (*Work, error) {
	return c.begin(ctx, c.reduce(dst, src, op, root), options)
}

func (c *Comm) reduce(dst, src strided.Tensor, op Op, root int) request {
	if c.rank != root {
		dst = strided.Tensor{}
	}
	far := reachOf(dstSrc, &dst, &src)
	call := countCall(agree.Reduce, &src, comparable(op), root, src.Count())
	argument, err := first(
		func() (string, error) { return c.checkRank("root", root) },
		func() (string, error) { return checkIn(src) },
		func() (string, error) { return c.checkOperator(op, src) },
	)
	if err == nil && c.rank == root {
		if argument, err = checkOut(dst); err == nil {
			argument, err = checkLike(dst, src)
		}
	}
	if err != nil {
		return refused(call, argument, err)
	}
	return request{call: call, order: strided.Logical, reach: far, empty: dst.OnDevice() || src.OnDevice(), attempt: func(o agree.Op) error {
		by, err := c.operatorOf(op, src.DType())
		switch {
		case err != nil:
			return err
		case c.size == 1:
			return c.scaleAlone(dst, src, by)
		}
		return c.treeReduce(o, dst, src, by, root)
	}}
}

// treeReduce runs one attempt along a tree.
func (c *Comm) treeReduce(o agree.Op, dst, src strided.Tensor, op operator, root int) error {
	in, err := src.View(strided.Logical)
	if err != nil {
		return err
	}
	cfg := c.treeConfig(src, root, c.cfg.Algorithms.Reduce)
	plan, err := tree.Reduce(cfg)
	if err != nil {
		return err
	}
	t := reduction{in: operand{View: in, factor: op.factor, c: c}, op: op.op, size: int64(src.DType().Size())}
	if plan.Parent() < 0 {
		t.out, err = dst.View(strided.Logical)
	} else {
		t.parent, err = c.sender(o, c.order[plan.Parent()])
	}
	if err != nil {
		return err
	}
	for _, place := range plan.Children() {
		child, err := c.receiver(o, c.order[place])
		if err != nil {
			return err
		}
		t.children = append(t.children, child)
	}
	for step, ok := plan.Next(); ok; step, ok = plan.Next() {
		if err := c.reduceChunk(o, &t, step); err != nil {
			return err
		}
	}
	return nil
}

// treeConfig describes a collective along a tree on the elements of t, of the shape that
// was asked for.
func (c *Comm) treeConfig(t strided.Tensor, root int, asked string) tree.Config {
	size := t.DType().Size()
	return tree.Config{
		Size: c.size, Rank: c.place, Root: slices.Index(c.order, root), Count: t.Count(),
		Chunk: int64(c.cfg.ChunkBytes / size), Align: int64(alignBytes / size),
		Algorithm: c.treeShape(asked, t.Count()*int64(size)),
	}
}

// reduction is what a rank of a reduce works on.
type reduction struct {
	in       operand
	out      strided.View // the root's
	op       Op
	size     int64            // of an element
	parent   transport.Sender // nil at the root
	children []*inLink
}

// reduceChunk takes a chunk from every child, adds this rank's own elements and passes
// the sum on, or at the root keeps it.
func (c *Comm) reduceChunk(o agree.Op, t *reduction, step tree.Step) error {
	lo, hi, n := step.Lo, step.Hi, int((step.Hi-step.Lo)*t.size)
	t.in.Ahead(hi, min(hi+hi-lo, t.in.Count()))
	if len(t.children) == 0 {
		return c.sendOperand(o, t.parent, step.Index, n, &t.in, lo, hi)
	}
	sum := c.partial()[:n]
	if t.parent != nil {
		slot, err := t.parent.Acquire(o.Stop)
		if err != nil {
			return err
		}
		sum = slot[:n]
	}
	for i, child := range t.children {
		_, received, err := c.expect(o, child, step.Index, n, true)
		if err != nil {
			return err
		}
		last := t.parent == nil && i == len(t.children)-1
		switch {
		case last && i == 0:
			t.in.reduceOut(t.out, nil, received, lo, hi, t.op, c.size)
		case i == 0:
			t.in.reduceInto(sum, received, lo, hi, t.op)
		case last:
			strided.ReduceLast(t.op, t.in.DType(), sum, sum, received, hi-lo, c.size)
			t.out.Unpack(sum, lo, hi)
		default:
			strided.Reduce(t.op, t.in.DType(), sum, sum, received, hi-lo)
		}
		child.r.Release()
	}
	if t.parent == nil {
		return nil
	}
	return c.commit(o, t.parent, o.Walk, step.Index, n)
}
