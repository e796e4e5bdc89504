package engine

import (
	"context"

	"github.com/monel-dev/monel/bruck"
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/ring"
	"github.com/monel-dev/monel/strided"
)

// AllGather gives every rank the elements of all: dst has Size times as many elements
// as src, and rank r's are dst's logical elements [r·n, (r+1)·n), n being src's count.
//
// Both have the same dtype, and any shapes and strides, which may differ between them
// and between ranks as long as src's count is the same on all. In place, src is the
// part of dst that it is to become; otherwise the two must not share memory. Elements
// of dst must not overlap each other; src may be expanded. Memory between the elements
// of a view is never written.
//
// If the ranks disagree about the call, every rank gets a *MismatchError; dst may have
// been written by then, src not. Everything else, borrowed memory, the end of ctx and
// errors, is as AllReduce has it.
func (c *Comm) AllGather(ctx context.Context, dst, src strided.Tensor) error {
	if dst.OnDevice() || src.OnDevice() {
		return c.carry(ctx, c.allGatherOf(dst, src))
	}
	p, argument, err := c.prepareAllGather(&dst, &src)
	switch {
	case err != nil:
		return c.refuse(&p.call, argument, err)
	case c.queue.busy():
		return c.carry(ctx, c.allGatherOf(dst, src))
	}
	return c.conduct(ctx, &p.call, p.blocks.order, p.flat, func(o agree.Op) error { return c.allGather(o, p, &dst, &src) })
}

// StartAllGather is AllGather without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartAllGather(ctx context.Context, dst, src strided.Tensor, options ...CallOption) (*Work, error) {
	return c.begin(ctx, c.allGatherOf(dst, src), options)
}

// allGatherOf is the request for a call, carried out now or later.
func (c *Comm) allGatherOf(dst, src strided.Tensor) request {
	far := reachOf(dstSrc, &dst, &src)
	p, argument, err := c.prepareAllGather(&dst, &src)
	if err != nil {
		return refused(p.call, argument, err)
	}
	return request{call: p.call, order: p.blocks.order, reach: far, empty: dst.OnDevice() || src.OnDevice(), attempt: func(o agree.Op) error {
		return c.allGather(o, p, &dst, &src)
	}}
}

// allGather runs one attempt.
func (c *Comm) allGather(o agree.Op, p *preparedBlocks, dst, src *strided.Tensor) error {
	if c.size == 1 {
		return c.copyElements(*dst, *src)
	}
	if p.flat && o.Walk == p.blocks.order {
		return c.flatAllGather(o, p, dst, src)
	}
	all, err := p.blocks.viewBlocks(dst, o.Walk)
	if err != nil {
		return err
	}
	one, err := p.blocks.viewOne(src, o.Walk)
	if err != nil {
		return err
	}
	return c.gatherBlocks(o, p.how, &gathering{all: all, one: one, inPlace: p.inPlace, size: src.DType().Size()})
}

// gatherBlocks runs one attempt of an all_gather, whose blocks may differ in size.
func (c *Comm) gatherBlocks(o agree.Op, how choose.Blocks, g *gathering) error {
	switch how {
	case choose.Spread:
		return c.spreadAllGather(o, g)
	case choose.Bruck:
		return c.bruckAllGather(o, g)
	}
	return c.ringAllGather(o, g)
}

// gathering is what an all_gather works on.
type gathering struct {
	all     blockView
	one     strided.View
	inPlace bool
	size    int // of an element, in bytes
}

// bytes is the size of rank's block.
func (g *gathering) bytes(rank int) int { return int(g.all.countOf(rank)) * g.size }

// counts are the blocks' as ring.Config has them: the count of each, or all of them in the
// order of places if they differ.
func (g *gathering) counts(order []int) (count int64, counts []int64) {
	if g.all.starts == nil {
		return g.all.count, nil
	}
	counts = make([]int64, len(order))
	for place, rank := range order {
		counts[place] = g.all.countOf(rank)
	}
	return 0, counts
}

// keepOwn copies the elements [lo,hi) of this rank's block, if they are not there
// already.
func (c *Comm) keepOwn(g *gathering, lo, hi int64) {
	if !g.inPlace {
		c.move(g.all.View, g.all.at(c.rank)+lo, g.one, lo, hi-lo)
	}
}

// ringAllGather runs one attempt on the ring.
func (c *Comm) ringAllGather(o agree.Op, g *gathering) error {
	size := g.size
	count, counts := g.counts(c.order)
	cfg := ring.Config{
		Size: c.size, Rank: c.place, Count: count, Counts: counts,
		Chunk: int64(c.cfg.ChunkBytes / size), Align: int64(alignBytes / size), Depth: ringDepth,
	}
	plan, err := ring.AllGather(cfg)
	if err != nil {
		return err
	}
	next, prev, err := c.ringLinks(o)
	if err != nil {
		return err
	}
	ahead := foresee(g.one, ring.AllGather, cfg, func(s ring.Step) (strided.View, int64, int64) {
		if s.Action != ring.Send {
			return g.one, 0, 0
		}
		return g.one, s.Lo, s.Hi
	})
	agreed, sent := false, int64(0)
	for step, ok := plan.Next(); ok; step, ok = plan.Next() {
		ahead.before()
		n := int(step.Hi-step.Lo) * size
		if step.Action == ring.Send {
			if err := c.sendView(o, next, o.Walk, step.Send, n, g.one, step.Lo, step.Hi); err != nil {
				return err
			}
			ahead.after(step)
			if agreed {
				c.keepOwn(g, step.Lo, step.Hi)
			}
			sent = step.Hi
			continue
		}
		at := g.all.at(c.order[step.Block])
		step.Lo, step.Hi = at+step.Lo, at+step.Hi
		s := ringStep{Step: step, n: n, out: g.all.View, next: next, prev: prev}
		if err := c.ringStep(o, &s); err != nil {
			return err
		}
		if !agreed { // the first chunk of another rank has been one of this very call
			agreed = true
			c.keepOwn(g, 0, sent)
		}
	}
	return nil
}

// spreadAllGather runs one attempt in which every rank sends its block to every other.
func (c *Comm) spreadAllGather(o agree.Op, g *gathering) error {
	if err := c.listen(o); err != nil {
		return err
	}
	for k := 1; k < c.size; k++ {
		to, err := c.sender(o, c.order[(c.place+k)%c.size])
		if err != nil {
			return err
		}
		if err := c.sendView(o, to, o.Walk, 0, g.bytes(c.rank), g.one, 0, g.all.countOf(c.rank)); err != nil {
			return err
		}
	}
	for k := 1; k < c.size; k++ {
		rank := c.order[(c.place+c.size-k)%c.size]
		from, err := c.receiver(o, rank)
		if err != nil {
			return err
		}
		if err := c.receiveView(o, from, 0, g.bytes(rank), g.all.View, g.all.at(rank), g.all.at(rank+1)); err != nil {
			return err
		}
		if k == 1 { // a rank that disagrees with the others has written nothing
			c.keepOwn(g, 0, g.all.countOf(c.rank))
		}
	}
	return nil
}

// receiveView receives the chunk of op with the given index for the elements [lo,hi) of
// a view.
func (c *Comm) receiveView(o agree.Op, from *inLink, index uint32, n int, view strided.View, lo, hi int64) error {
	var home [][]byte
	if from.canFill(n) {
		home = c.piecesOf(view, lo, hi)
	}
	received, err := c.expectInto(o, from, index, n, home)
	if err != nil {
		return err
	}
	if home == nil {
		view.Unpack(received, lo, hi)
	}
	from.r.Release()
	return nil
}

// bruckAllGather runs one attempt in log2 rounds. dst is written at its end, when all
// ranks are known to agree.
func (c *Comm) bruckAllGather(o agree.Op, g *gathering) error {
	if err := c.listenRounds(o, bruck.AllGather(c.size, c.place)); err != nil {
		return err
	}
	table, at := c.partial(), c.tableOf(g)
	g.one.Pack(table, 0, g.all.countOf(c.rank))
	for r := range bruck.AllGather(c.size, c.place) {
		if err := c.sendBytes(o, c.order[r.To], table[at(r.Send):at(r.Send+r.Blocks)]); err != nil {
			return err
		}
		lo, hi := at(r.Recv), at(r.Recv+r.Blocks)
		received, from, err := c.receiveBytes(o, c.order[r.From], hi-lo)
		if err != nil {
			return err
		}
		copy(table[lo:hi], received)
		from.r.Release()
	}
	for i := range c.size {
		rank := c.order[(c.place+i)%c.size]
		if i > 0 || !g.inPlace {
			g.all.Unpack(table[at(i):at(i+1)], g.all.at(rank), g.all.at(rank+1))
		}
	}
	return nil
}

// tableOf is where the blocks begin in this rank's table, and where the last one ends,
// in bytes. The blocks are those of the ranks from this one's place on.
func (c *Comm) tableOf(g *gathering) (at func(i int) int) {
	if g.all.starts == nil {
		n := g.bytes(c.rank)
		return func(i int) int { return i * n }
	}
	starts := make([]int, c.size+1)
	for i := range c.size {
		starts[i+1] = starts[i] + g.bytes(c.order[(c.place+i)%c.size])
	}
	return func(i int) int { return starts[i] }
}

// sendBytes sends a copy of b as the only chunk to a peer.
func (c *Comm) sendBytes(o agree.Op, peer int, b []byte) error {
	to, err := c.sender(o, peer)
	if err != nil {
		return err
	}
	slot, err := to.Acquire(o.Stop)
	if err != nil {
		return err
	}
	return c.commit(o, to, o.Walk, 0, copy(slot, b))
}

// receiveBytes receives the only chunk from a peer, which is valid until it is
// released.
func (c *Comm) receiveBytes(o agree.Op, peer, n int) ([]byte, *inLink, error) {
	from, err := c.receiver(o, peer)
	if err != nil {
		return nil, nil, err
	}
	_, received, err := c.expect(o, from, 0, n, true)
	return received, from, err
}
