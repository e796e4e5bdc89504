package engine

import (
	"context"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/ring"
	"github.com/monel-dev/monel/strided"
)

// AllReduce combines src of all ranks element by element with op and writes the
// result to dst on every rank.
//
// dst and src have the same shape and dtype, on this rank and on all others,
// and any strides: elements are matched by their logical index, so layouts may
// differ between dst and src and between ranks. dst and src may be the same
// tensor (in place); otherwise they must not share memory. Elements of dst must
// not overlap each other; src may (an expanded tensor is a legal input). Memory
// between the elements of a view is never written.
//
// The tensors' memory is borrowed until the call returns. If the ranks
// disagree about the call, every rank gets a *MismatchError and dst is
// untouched on all of them; after any other failure the content of dst is
// undefined, except that a rank which fails before any final value has reached
// it leaves dst as it was.
//
// The result has the same bits on every rank, in every run and on every
// transport, given the same world size, shape, dtype, chunk size and walking
// order, which follows from the layouts (see Config.LogicalOrder). If ctx ends during the call, the communicator
// is aborted on all ranks; a call whose ctx has ended before starts nothing, and
// the other ranks wait for it until their timeout.
func (c *Comm) AllReduce(ctx context.Context, dst, src strided.Tensor, op Op) error {
	p, argument, err := c.prepareAllReduce(&dst, &src, op)
	if err != nil {
		call := describeAllReduce(&src, op)
		return c.refuse(&call, argument, err)
	}
	if p.device || c.queue.busy() {
		return c.runTask(ctx, c.allReduceTask(p, dst, src, op))
	}
	return c.conduct(ctx, &p.call, p.walk, p.stamps, func(o agree.Op) error { return c.allReduce(o, p, &dst, &src, op) })
}

// StartAllReduce is AllReduce without the wait: it returns when the call has taken
// its place among those of this communicator, which run one after the other in
// the order in which they are made, and the tensors stay borrowed until the Work
// has ended. ctx is watched until then.
//
// An error says that nothing was started. It is returned at once, even if earlier
// calls are in progress; other ranks hear of a bad argument when they have come as
// far.
//
// For tensors of a CUDA device see OnStream.
func (c *Comm) StartAllReduce(ctx context.Context, dst, src strided.Tensor, op Op, options ...CallOption) (*Work, error) {
	p, argument, err := c.prepareAllReduce(&dst, &src, op)
	if err != nil {
		return nil, c.refuseLater(describeAllReduce(&src, op), argument, err)
	}
	return c.startTask(ctx, c.allReduceTask(p, dst, src, op), options)
}

// allReduceTask is an all_reduce to be carried out later.
func (c *Comm) allReduceTask(p *prepared, dst, src strided.Tensor, op Op) *task {
	t := &task{call: p.call, walk: p.walk}
	if p.device && !op.Valid() { // kernels know no factors
		t.reach = reachOf(dstSrc, &dst, &src)
		t.tensors = t.reach.tensors
		t.onHost = func(o agree.Op) error { return c.allReduce(o, p, &dst, &src, op) }
	} else if p.device {
		t.tensors = []argument{{"dst", dst}, {"src", src}}
		t.onDevice = func(d *deviceRun) error { return c.deviceAllReduce(d, p, dst, src, op) }
	} else {
		t.empty = src.OnDevice()
		t.onHost = func(o agree.Op) error { return c.allReduce(o, p, &dst, &src, op) }
	}
	return t
}

// allReduce runs one attempt on tensors in host memory.
func (c *Comm) allReduce(o agree.Op, p *prepared, dst, src *strided.Tensor, op Op) error {
	by, err := c.operatorOf(op, src.DType())
	switch {
	case err != nil:
		return err
	case c.size == 1:
		return c.scaleAlone(*dst, *src, by)
	case p.by != choose.Doubling:
		return c.ringAllReduce(o, *dst, *src, by)
	}
	var in, out strided.View
	if o.Walk == p.walk {
		in, out = p.src.View(src), p.dst.View(dst)
	} else if in, out, err = bind(o.Walk, *dst, *src); err != nil {
		return err
	}
	if p.oneRound {
		return c.directAllReduce(o, in, out, by)
	}
	return c.doublingAllReduce(o, in, out, by)
}

// inOneRound reports whether doubling's rounds are replaced by one.
func (c *Comm) inOneRound(bytes int64) bool {
	return c.oneHost && c.direct.fits(bytes, c.cfg.ChunkBytes) && choose.OneRound(bytes, int64(c.cfg.HopBytes), c.size)
}

// allReduceBy is the algorithm for an all_reduce of tensors like t.
func (c *Comm) allReduceBy(t strided.Tensor) choose.AllReduce { return c.allReduceOfBytes(bytesOf(t)) }

func (c *Comm) allReduceOfBytes(bytes int64) choose.AllReduce {
	chunk := int64(c.cfg.ChunkBytes)
	switch {
	case c.algorithm == choose.Auto:
		return choose.Pick(bytes, chunk, int64(c.cfg.HopBytes), c.size)
	case bytes > chunk:
		return choose.Ring // the only one that can
	}
	return c.algorithm
}

func bytesOf(t strided.Tensor) int64 { return t.Count() * int64(t.DType().Size()) }

// bind views both tensors of an all_reduce in the order of walk.
func bind(walk strided.Walk, dst, src strided.Tensor) (in, out strided.View, err error) {
	if in, err = src.View(walk); err == nil {
		out, err = dst.View(walk)
	}
	return in, out, err
}

// ringPlan plans this rank's part of an all_reduce of a view's elements.
func (c *Comm) ringPlan(in strided.View) (ring.Plan, error) {
	size := in.DType().Size()
	return ring.AllReduce(ring.Config{
		Size: c.size, Rank: c.place, Count: in.Count(),
		Chunk: int64(c.cfg.ChunkBytes / size), Align: int64(alignBytes / size),
		Depth: ringDepth,
	})
}

// ringAllReduce runs one attempt on the ring.
func (c *Comm) ringAllReduce(o agree.Op, dst, src strided.Tensor, op operator) error {
	in, out, err := bind(o.Walk, dst, src)
	if err != nil {
		return err
	}
	source := operand{View: in, factor: op.factor, c: c}
	size := src.DType().Size()
	plan, err := c.ringPlan(in)
	if err != nil {
		return err
	}
	next, prev, err := c.ringLinks(o)
	if err != nil {
		return err
	}
	lender := c.lendable(next, in, out)
	for step, ok := plan.Next(); ok; step, ok = plan.Next() {
		r := ringStep{Step: step, n: int(step.Hi-step.Lo) * size, in: &source, out: out, next: next, prev: prev, op: op.op, lender: lender}
		if err := c.ringStep(o, &r); err != nil {
			return settle(o, err, lender)
		}
	}
	return settle(o, nil, lender)
}
