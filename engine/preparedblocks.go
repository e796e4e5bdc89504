package engine

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/strided"
)

// preparedBlocks is prepared for an all_gather, whose blocks may differ in size, a
// reduce_scatter or an alltoall: what follows from the arguments, apart from the memory
// itself. It does not change once made.
type preparedBlocks struct {
	pair    strided.Pair
	op      Op
	call    agree.Call
	blocks  blocks
	inPlace bool
	bytes   int // of a block, or the longest one
	size    int // of an element, if blocks differ in size
	// how all_gather and reduce_scatter are carried out.
	how choose.Blocks
	// flat: every rank sends each other one short chunk, and the tensors are memory as
	// it is sent; see flat.go.
	flat bool

	to, from strided.Recipe // of an alltoall
}

// blockCalls are the calls that are remembered.
type blockCalls [preparedCalls]atomic.Pointer[preparedBlocks]

// place is where a call is remembered, if it is.
func (b *blockCalls) place(kind agree.Collective, src *strided.Tensor, op Op) *atomic.Pointer[preparedBlocks] {
	return &b[(uint64(src.Count())*5+uint64(op)+uint64(kind)*17)%preparedCalls]
}

// find returns what is known of a call, or nil. Operators that can be freed are not
// remembered.
func (b *blockCalls) find(kind agree.Collective, dst, src *strided.Tensor, op Op) *preparedBlocks {
	p := b.place(kind, src, op).Load()
	if p != nil && p.call.Kind == kind && p.op == op && op.Valid() && p.pair.Fits(dst, src) {
		return p
	}
	return nil
}

func (b *blockCalls) keep(p *preparedBlocks, dst, src *strided.Tensor) {
	p.pair = strided.PairOf(*dst, *src)
	b.place(p.call.Kind, src, p.op).Store(p)
}

// prepareAllGather checks and describes an all_gather, or remembers having done so.
func (c *Comm) prepareAllGather(dst, src *strided.Tensor) (p *preparedBlocks, argument string, err error) {
	if p = c.blockCalls.find(agree.AllGather, dst, src, 0); p != nil {
		return p, "", nil
	}
	p = &preparedBlocks{call: countCall(agree.AllGather, src, 0, 0, src.Count())}
	argument, err = first(
		func() (string, error) { return checkIn(*src) },
		func() (string, error) { return checkOut(*dst) },
		func() (string, error) { return checkBlocks("dst", *dst, "src", *src, c.size) },
	)
	if err == nil {
		p.inPlace, argument, err = checkApart(*dst, *src, *dst, *src, int64(c.rank)*src.Count(), c.rank)
	}
	if err != nil {
		return p, argument, err
	}
	p.blocks = blocksOf(*dst, *src, c.size, c.rank)
	if p.blocks.split {
		p.blocks.pickWalk(c.cfg.LogicalOrder, c.size, p.blocks.own)
	}
	if err := p.blocks.recall(*dst, *src); err != nil {
		return p, "dst", err
	}
	p.bytes = int(bytesOf(*src))
	p.how = c.allGatherBy(*src)
	p.flat = c.isFlat(p.how == choose.Spread, p.bytes, dst, p.blocks.usual.all, src, p.blocks.usual.one)
	c.blockCalls.keep(p, dst, src)
	return p, "", nil
}

// prepareAllGatherV is the same for blocks that differ in size. The counts are not kept.
func (c *Comm) prepareAllGatherV(dst, src *strided.Tensor, counts []int64) (p *preparedBlocks, argument string, err error) {
	if p = c.blockCalls.find(agree.AllGatherV, dst, src, 0); p != nil && p.blocks.areOf(counts) {
		return p, "", nil
	}
	p = &preparedBlocks{call: countCall(agree.AllGatherV, src, 0, 0, counts...)}
	starts, argument, err := c.checkCounts("counts", counts, "dst", *dst)
	if err != nil {
		return p, argument, err
	}
	argument, err = first(
		func() (string, error) { return checkIn(*src) },
		func() (string, error) { return checkOut(*dst) },
		func() (string, error) { return sameDType(*dst, *src) },
		func() (string, error) {
			if src.Count() != counts[c.rank] {
				return "src", fmt.Errorf("%w: it has %d elements and counts[%d] is %d", strided.ErrShape, src.Count(), c.rank, counts[c.rank])
			}
			return "", nil
		},
	)
	if err == nil {
		p.inPlace, argument, err = checkApart(*dst, *src, *dst, *src, starts[c.rank], c.rank)
	}
	if err != nil {
		return p, argument, err
	}
	p.blocks.starts = starts
	if err := p.blocks.recall(*dst, *src); err != nil {
		return p, "dst", err
	}
	p.size = src.DType().Size()
	longest := slices.Max(counts) * int64(p.size)
	p.how = choose.AllGather(longest, int64(c.cfg.ChunkBytes), int64(c.cfg.HopBytes), c.size, c.oneHost)
	p.bytes = int(longest)
	p.flat = c.isFlat(p.how == choose.Spread, p.bytes, dst, p.blocks.usual.all, src, p.blocks.usual.one)
	c.blockCalls.keep(p, dst, src)
	return p, "", nil
}

// rangeOf is where rank's block lies in the memory of all, in bytes.
func (p *preparedBlocks) rangeOf(rank int) (lo, hi int) {
	if starts := p.blocks.starts; starts != nil {
		return int(starts[rank]) * p.size, int(starts[rank+1]) * p.size
	}
	return rank * p.bytes, (rank + 1) * p.bytes
}

// prepareReduceScatter is the same for a reduce_scatter.
func (c *Comm) prepareReduceScatter(dst, src *strided.Tensor, op Op) (p *preparedBlocks, argument string, err error) {
	if p = c.blockCalls.find(agree.ReduceScatter, dst, src, op); p != nil {
		return p, "", nil
	}
	p = &preparedBlocks{op: op, call: countCall(agree.ReduceScatter, dst, comparable(op), 0, dst.Count())}
	argument, err = first(
		func() (string, error) { return checkIn(*src) },
		func() (string, error) { return c.checkOperator(op, *src) },
		func() (string, error) { return checkOut(*dst) },
		func() (string, error) { return checkBlocks("src", *src, "dst", *dst, c.size) },
	)
	if err == nil {
		p.inPlace, argument, err = checkApart(*dst, *src, *src, *dst, int64(c.rank)*dst.Count(), c.rank)
	}
	if err != nil {
		return p, argument, err
	}
	p.blocks = blocksOf(*src, *dst, c.size, c.rank)
	p.blocks.pickWalk(c.cfg.LogicalOrder, c.size, dst.Layout())
	if err := p.blocks.recall(*src, *dst); err != nil {
		return p, "src", err
	}
	p.bytes = int(bytesOf(*dst))
	p.how = c.reduceScatterBy(*dst)
	p.flat = op.Valid() && c.isFlat(p.how == choose.Spread, p.bytes, src, p.blocks.usual.all, dst, p.blocks.usual.one)
	c.blockCalls.keep(p, dst, src)
	return p, "", nil
}

// prepareAllToAll is the same for an alltoall.
func (c *Comm) prepareAllToAll(dst, src *strided.Tensor) (p *preparedBlocks, argument string, err error) {
	if p = c.blockCalls.find(agree.AllToAll, dst, src, 0); p != nil {
		return p, "", nil
	}
	count := src.Count() / int64(c.size)
	p = &preparedBlocks{call: countCall(agree.AllToAll, src, 0, 0, count), blocks: blocks{count: count}}
	argument, err = first(
		func() (string, error) { return checkIn(*src) },
		func() (string, error) { return checkOut(*dst) },
		func() (string, error) { return checkLike(*dst, *src) },
		func() (string, error) {
			if src.Count()%int64(c.size) != 0 {
				return "src", fmt.Errorf("%w: its %d elements cannot be divided among %d ranks; AllToAllV takes parts of any size", strided.ErrShape, src.Count(), c.size)
			}
			return "", nil
		},
	)
	if err != nil {
		return p, argument, err
	}
	p.inPlace = strided.Same(*dst, *src)
	if p.to, err = dst.Recipe(strided.Logical); err != nil {
		return p, "dst", err
	}
	if p.from, err = src.Recipe(strided.Logical); err != nil {
		return p, "src", err
	}
	p.bytes = int(count) * src.DType().Size()
	p.flat = c.isFlat(p.bytes <= c.cfg.ChunkBytes, p.bytes, dst, p.to, src, p.from)
	c.blockCalls.keep(p, dst, src)
	return p, "", nil
}
