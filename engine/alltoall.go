package engine

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/pairwise"
	"github.com/monel-dev/monel/strided"
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
// as AllReduce has it. Tensors are in host memory; a device's are refused with
// strided.ErrDevice.
func (c *Comm) AllToAll(ctx context.Context, dst, src strided.Tensor) error {
	return c.carry(ctx, c.allToAll(dst, src))
}

// StartAllToAll is AllToAll without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartAllToAll(ctx context.Context, dst, src strided.Tensor, options ...CallOption) (*Work, error) {
	return c.begin(ctx, c.allToAll(dst, src), options)
}

func (c *Comm) allToAll(dst, src strided.Tensor) request {
	count := src.Count() / int64(c.size)
	call := countCall(agree.AllToAll, &src, 0, 0, count)
	argument, err := first(
		func() (string, error) { return checkIn(src) },
		func() (string, error) { return checkOut(dst) },
		func() (string, error) { return checkLike(dst, src) },
		func() (string, error) {
			if src.Count()%int64(c.size) != 0 {
				return "src", fmt.Errorf("%w: its %d elements cannot be divided among %d ranks; AllToAllV takes parts of any size", strided.ErrShape, src.Count(), c.size)
			}
			return "", nil
		},
	)
	if err != nil {
		return refused(call, argument, err)
	}
	inPlace := strided.Same(dst, src)
	each := func(rank int) part { return part{int64(rank) * count, int64(rank+1) * count} }
	// In place, parts are overwritten before it is known that all ranks walk alike, and
	// a restart would find them gone. So all walk in logical order.
	return request{call: call, order: strided.Logical, attempt: func(o agree.Op) error {
		to, err := dst.View(strided.Logical)
		if err != nil {
			return err
		}
		from, err := src.View(strided.Logical)
		if err != nil {
			return err
		}
		return c.exchangeAll(o, &parting{to: to, from: from, inPlace: inPlace, most: count, in: each, out: each})
	}}
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
	to, from strided.View
	inPlace  bool  // to and from are the same
	most     int64 // elements of a part, if it is known that none has more; else -1
	in, out  func(rank int) part
}

// exchangeAll runs one attempt of an all-to-all. Parts that fit into a chunk are sent to
// all ranks before any is received; larger ones are exchanged with one rank after the
// other.
func (c *Comm) exchangeAll(o agree.Op, p *parting) error {
	size := int64(p.from.DType().Size())
	if p.most >= 0 && p.most*size <= int64(c.cfg.ChunkBytes) {
		return c.spreadAllToAll(o, p)
	}
	for round := range c.size {
		rank := c.order[pairwise.Partner(c.size, c.place, round)]
		if rank == c.rank {
			c.keepPart(p)
		} else if err := c.exchangeWith(o, p, rank); err != nil {
			return err
		}
	}
	return nil
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
	size := p.from.DType().Size()
	for k := 1; k < c.size; k++ {
		rank := c.order[(c.place+k)%c.size]
		to, err := c.sender(o, rank)
		if err != nil {
			return err
		}
		out := p.out(rank)
		if err := c.sendView(o, to, o.Walk, 0, int(out.count())*size, p.from, out.lo, out.hi); err != nil {
			return err
		}
	}
	c.keepPart(p)
	for k := 1; k < c.size; k++ {
		rank := c.order[(c.place+c.size-k)%c.size]
		from, err := c.receiver(o, rank)
		if err != nil {
			return err
		}
		in := p.in(rank)
		if err := c.receiveView(o, from, 0, int(in.count())*size, p.to, in.lo, in.hi); err != nil {
			return err
		}
	}
	return nil
}

// ahead is how many chunks a rank sends to its partner before it waits for one. It is
// less than a link has slots, so nobody waits for a slot that a partner frees only
// after having waited itself.
const ahead = 2

// exchangeWith sends one rank its part and receives the one that it sends, chunk by
// chunk. A chunk is sent before the one that takes its place is received.
func (c *Comm) exchangeWith(o agree.Op, p *parting, rank int) error {
	size := int64(p.from.DType().Size())
	chunk := int64(c.cfg.ChunkBytes) / size
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
			if err := c.sendView(o, to, o.Walk, uint32(i), int((hi-lo)*size), p.from, lo, hi); err != nil {
				return err
			}
		}
		if i < ahead {
			continue
		}
		if lo, hi, ok := in.chunk(i-ahead, chunk); ok {
			if err := c.receiveView(o, from, uint32(i-ahead), int((hi-lo)*size), p.to, lo, hi); err != nil {
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
