package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/pairwise"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// AllToAll sends a part of src to every rank and gets one from every rank: src's
// logical elements [p·n, (p+1)·n) become dst's elements [r·n, (r+1)·n) of rank p, r
// being the rank that sends them and n a part's count.
//
// Elements are matched in logical order.
//
// dst and src have the same dtype and count, a multiple of Size and the same on all
// ranks, and any shapes and strides, which may differ between them and between ranks.
// They may be the same tensor (in place); otherwise they must not share memory.
// Elements of dst must not overlap each other; src may be expanded. Memory between the
// elements of a view is never written.
//
// If the ranks disagree about the call, every rank gets a *MismatchError; dst may have
// been written by then. Everything else, borrowed memory, the end of ctx and errors, is
// as AllReduce has it.
func (c *Comm) AllToAll(ctx context.Context, dst, src strided.Tensor) error {
	if dst.OnDevice() || src.OnDevice() {
		return c.carry(ctx, c.allToAllOf(dst, src))
	}
	p, argument, err := c.prepareAllToAll(&dst, &src)
	switch {
	case err != nil:
		return c.refuse(&p.call, argument, err)
	case c.queue.busy():
		return c.carry(ctx, c.allToAllOf(dst, src))
	}
	return c.conduct(ctx, &p.call, strided.Logical, p.flat, func(o agree.Op) error { return c.allToAll(o, p, &dst, &src) })
}

// StartAllToAll is AllToAll without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartAllToAll(ctx context.Context, dst, src strided.Tensor, options ...CallOption) (*Work, error) {
	return c.begin(ctx, c.allToAllOf(dst, src), options)
}

// allToAllOf is the request for a call, carried out now or later.
func (c *Comm) allToAllOf(dst, src strided.Tensor) request {
	far := reachOf(dstSrc, &dst, &src)
	p, argument, err := c.prepareAllToAll(&dst, &src)
	if err != nil {
		return refused(p.call, argument, err)
	}
	return request{call: p.call, order: strided.Logical, reach: far, empty: dst.OnDevice() || src.OnDevice(), attempt: func(o agree.Op) error {
		return c.allToAll(o, p, &dst, &src)
	}}
}

// allToAll runs one attempt. In place, parts are overwritten before it is known that all
// ranks walk alike, and a restart would find them gone. So all walk in logical order.
func (c *Comm) allToAll(o agree.Op, p *preparedBlocks, dst, src *strided.Tensor) error {
	if p.flat {
		return c.flatAllToAll(o, p, dst, src)
	}
	return c.exchangeAll(o, &parting{to: p.to.View(dst), from: p.from.View(src), inPlace: p.inPlace, count: p.blocks.count})
}

// checkLike checks what two tensors of the same number of elements have in common.
func checkLike(dst, src strided.Tensor) (string, error) {
	if dst.DType() != src.DType() {
		return "dst", fmt.Errorf("its dtype is %v and src's is %v; both must be the same", dst.DType(), src.DType())
	}
	if dst.Count() != src.Count() {
		return "dst", fmt.Errorf("%w: it has %d elements and src has %d; both must have the same number", strided.ErrShape, dst.Count(), src.Count())
	}
	if err := strided.Conflict(dst, src); err != nil {
		return "dst", err
	}
	return "", nil
}

// part is a range of elements in the order in which a view walks them.
type part struct{ lo, hi int64 }

func (p part) count() int64 { return p.hi - p.lo }

// parting is what an all-to-all works on.
type parting struct {
	to, from  strided.View
	inPlace   bool    // to and from are the same
	count     int64   // of a part, unless variable is set
	variable  bool    // ranks have not agreed on the sizes of parts
	ins, outs []int64 // then where the parts begin, and where the last one ends
}

// in is the part that comes from a rank, out the one that it gets.
func (p *parting) in(rank int) part { return p.part(p.ins, rank) }

func (p *parting) out(rank int) part { return p.part(p.outs, rank) }

func (p *parting) part(starts []int64, rank int) part {
	if !p.variable {
		return part{int64(rank) * p.count, int64(rank+1) * p.count}
	}
	return part{starts[rank], starts[rank+1]}
}

// exchangeAll runs one attempt of an all-to-all. A rank whose parts all fit into a chunk
// sends them to all ranks before it receives any; others exchange with one rank after
// the other. Both kinds may meet: the former keep nobody waiting.
func (c *Comm) exchangeAll(o agree.Op, p *parting) error {
	if c.size == 1 {
		c.keepPart(p)
		return nil
	}
	if c.partsAreShort(p) {
		return c.spreadAllToAll(o, p)
	}
	for round := range c.size {
		rank := c.order[pairwise.Partner(c.size, c.place, round)]
		if rank == c.rank {
			continue
		}
		if err := c.exchangeWith(o, p, rank); err != nil {
			return err
		}
	}
	c.keepPart(p) // a rank that disagrees with the others has written nothing
	return nil
}

func (c *Comm) partsAreShort(p *parting) bool {
	chunk := int64(c.cfg.ChunkBytes / p.from.DType().Size())
	if !p.variable {
		return p.count <= chunk
	}
	for rank := range c.size {
		if p.in(rank).count() > chunk || p.out(rank).count() > chunk {
			return false
		}
	}
	return true
}

// keepPart copies this rank's part for itself.
func (c *Comm) keepPart(p *parting) {
	if in, out := p.in(c.rank), p.out(c.rank); !p.inPlace && in.count() > 0 {
		c.move(p.to, in.lo, p.from, out.lo, in.count())
	}
}

func (c *Comm) spreadAllToAll(o agree.Op, p *parting) error {
	if err := c.listen(o); err != nil {
		return err
	}
	for k := 1; k < c.size; k++ {
		rank := c.order[(c.place+k)%c.size]
		to, err := c.sender(o, rank)
		if err != nil {
			return err
		}
		if k+1 < c.size {
			next := p.out(c.order[(c.place+k+1)%c.size])
			p.from.Ahead(next.lo, next.hi)
		}
		if err := c.sendPart(o, p, to, rank, 0, p.out(rank)); err != nil {
			return err
		}
	}
	for k := 1; k < c.size; k++ {
		rank := c.order[(c.place+c.size-k)%c.size]
		from, err := c.receiver(o, rank)
		if err != nil {
			return err
		}
		if err := c.receivePart(o, p, from, 0, p.in(rank)); err != nil {
			return err
		}
		if k == 1 { // as in exchangeAll
			c.keepPart(p)
		}
	}
	return nil
}

// sendPart sends a chunk of the part for a rank. In place of a walk, which is logical
// for all, the header has the size of the whole part if ranks have not agreed on that.
func (c *Comm) sendPart(o agree.Op, p *parting, to transport.Sender, rank int, index uint32, chunk part) error {
	walk := o.Walk
	if p.variable {
		walk = strided.Walk(p.out(rank).count())
	}
	return c.sendView(o, to, walk, index, int(chunk.count())*p.from.DType().Size(), p.from, chunk.lo, chunk.hi)
}

// receivePart receives a chunk of the part from a rank.
func (c *Comm) receivePart(o agree.Op, p *parting, from *inLink, index uint32, chunk part) error {
	n := int(chunk.count()) * p.to.DType().Size()
	if !p.variable {
		return c.receiveView(o, from, index, n, p.to, chunk.lo, chunk.hi)
	}
	h, payload, err := c.arrival(o, from, index, n, false, false, o.Walk)
	if want := p.in(from.peer).count(); (err == nil || errors.Is(err, ErrProtocol) && h.sig == o.Sig) && int64(h.walk) != want {
		return &RankError{Rank: from.peer, Err: fmt.Errorf("%w: it sends %d elements to rank %d, which expects %d of it", ErrMismatch, int64(h.walk), c.rank, want)}
	}
	if err != nil {
		return err
	}
	p.to.Unpack(payload, chunk.lo, chunk.hi)
	from.r.Release()
	return nil
}

// ahead is how many chunks a rank sends to its partner before it waits for one. It is
// less than a link has slots, so nobody waits for a slot that a partner frees only
// after having waited itself.
const ahead = 2

// exchangeWith sends one rank its part and receives the one that it sends, chunk by
// chunk. A chunk is sent before the one that takes its place is received.
func (c *Comm) exchangeWith(o agree.Op, p *parting, rank int) error {
	chunk := int64(c.cfg.ChunkBytes / p.from.DType().Size())
	to, err := c.sender(o, rank)
	if err != nil {
		return err
	}
	from, err := c.receiver(o, rank)
	if err != nil {
		return err
	}
	in, out := p.in(rank), p.out(rank)
	chunks := max((max(in.count(), out.count())+chunk-1)/chunk, 1)
	for i := range chunks + ahead {
		if lo, hi, ok := out.chunk(i, chunk); ok {
			if a, b, more := out.chunk(i+1, chunk); more {
				p.from.Ahead(a, b)
			}
			if err := c.sendPart(o, p, to, rank, uint32(i), part{lo, hi}); err != nil {
				return err
			}
		}
		if i < ahead {
			continue
		}
		if lo, hi, ok := in.chunk(i-ahead, chunk); ok {
			if err := c.receivePart(o, p, from, uint32(i-ahead), part{lo, hi}); err != nil {
				return err
			}
		}
	}
	return nil
}

// chunk is the i-th chunk of a part. A part without elements has one, since ranks learn
// from chunks that they agree.
func (p part) chunk(i, most int64) (lo, hi int64, ok bool) {
	if i > 0 && i > (p.count()-1)/most {
		return 0, 0, false
	}
	lo = p.lo + i*most
	return lo, min(lo+most, p.hi), true
}
