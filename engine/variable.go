package engine

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/ring"
	"github.com/monel-dev/monel/strided"
)

// AllGatherV is AllGather of blocks that differ in size: rank r has counts[r] elements,
// and dst has all of them, in logical order one rank's after the other's. counts is the
// same on all ranks and is not kept.
//
// In place, a one-dimensional src is the part of a one-dimensional dst that it is to
// become; otherwise the two must not share memory. Elements are matched in logical
// order.
func (c *Comm) AllGatherV(ctx context.Context, dst, src strided.Tensor, counts []int64) error {
	return c.carry(ctx, c.allGatherV(dst, src, counts))
}

// StartAllGatherV is AllGatherV without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartAllGatherV(ctx context.Context, dst, src strided.Tensor, counts []int64, options ...CallOption) (*Work, error) {
	return c.begin(ctx, c.allGatherV(dst, src, counts), options)
}

func (c *Comm) allGatherV(dst, src strided.Tensor, counts []int64) request {
	far := reachOf(dstSrc, &dst, &src)
	call := countCall(agree.AllGatherV, &src, 0, 0, counts...)
	starts, argument, err := c.checkCounts("counts", counts, "dst", dst)
	if err == nil {
		argument, err = first(
			func() (string, error) { return checkIn(src) },
			func() (string, error) { return checkOut(dst) },
			func() (string, error) { return sameDType(dst, src) },
		)
	}
	if err == nil && src.Count() != counts[c.rank] {
		argument, err = "src", fmt.Errorf("%w: it has %d elements and counts[%d] is %d", strided.ErrShape, src.Count(), c.rank, counts[c.rank])
	}
	inPlace := false
	if err == nil {
		if len(dst.Shape()) == 1 && dst.Layout().CheckOutput() == nil {
			inPlace = strided.Same(dst.Slice(0, starts[c.rank], starts[c.rank+1]), src)
		}
		if !inPlace {
			argument = "dst"
			err = strided.Conflict(dst, src)
		}
	}
	if err != nil {
		return refused(call, argument, err)
	}
	return request{call: call, order: strided.Logical, reach: far, empty: dst.OnDevice() || src.OnDevice(), attempt: func(o agree.Op) error {
		to, err := dst.View(strided.Logical)
		if err != nil {
			return err
		}
		from, err := src.View(strided.Logical)
		if err != nil {
			return err
		}
		return c.ringAllGatherV(o, to, from, starts, inPlace)
	}}
}

// ringAllGatherV runs one attempt on the ring. This rank's own block is written when a
// chunk of another rank has shown that they agree, as in ringAllGather.
func (c *Comm) ringAllGatherV(o agree.Op, to, from strided.View, starts []int64, inPlace bool) error {
	keepOwn := func(lo, hi int64) {
		if !inPlace {
			c.move(to, starts[c.rank]+lo, from, lo, hi-lo)
		}
	}
	size := max(to.DType().Size(), 1)
	counts := make([]int64, c.size) // by place
	for place, rank := range c.order {
		counts[place] = starts[rank+1] - starts[rank]
	}
	cfg := ring.Config{
		Size: c.size, Rank: c.place, Counts: counts,
		Chunk: int64(c.cfg.ChunkBytes / size), Align: int64(alignBytes / size), Depth: ringDepth,
	}
	plan, err := ring.AllGather(cfg)
	if err != nil {
		return err
	}
	if c.size == 1 {
		keepOwn(0, from.Count())
		return nil
	}
	next, prev, err := c.ringLinks(o)
	if err != nil {
		return err
	}
	ahead := foresee(from, ring.AllGather, cfg, func(s ring.Step) (strided.View, int64, int64) {
		if s.Action != ring.Send {
			return from, 0, 0
		}
		return from, s.Lo, s.Hi
	})
	agreed, sent := false, int64(0)
	for step, ok := plan.Next(); ok; step, ok = plan.Next() {
		ahead.before()
		at := int64(0)
		if step.Action != ring.Send {
			at = starts[c.order[step.Block]]
		}
		s := ringStep{Step: step, n: int(step.Hi-step.Lo) * size, in: &operand{View: from}, out: to, next: next, prev: prev}
		s.Lo, s.Hi = at+step.Lo, at+step.Hi
		if err := c.ringStep(o, &s); err != nil {
			return err
		}
		ahead.after(step)
		switch {
		case step.Action == ring.Send && agreed:
			keepOwn(step.Lo, step.Hi)
		case step.Action == ring.Send:
			sent = step.Hi
		case !agreed:
			agreed = true
			keepOwn(0, sent)
		}
	}
	if !agreed { // all others have nothing
		keepOwn(0, from.Count())
	}
	return nil
}

// AllToAllV is AllToAll of parts that differ in size: sendCounts[p] elements of src go to
// rank p, and recvCounts[p] come from it, the parts following each other in src and dst
// in the order of ranks and in logical order. What a rank sends to another is what that
// one receives from it. The slices are not kept.
//
// dst and src share no memory. If a part has another size than its receiver expects, the
// receiver finds out, and the communicator fails on all ranks with an error that wraps
// ErrMismatch.
func (c *Comm) AllToAllV(ctx context.Context, dst, src strided.Tensor, recvCounts, sendCounts []int64) error {
	return c.carry(ctx, c.allToAllV(dst, src, recvCounts, sendCounts))
}

// StartAllToAllV is AllToAllV without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartAllToAllV(ctx context.Context, dst, src strided.Tensor, recvCounts, sendCounts []int64, options ...CallOption) (*Work, error) {
	return c.begin(ctx, c.allToAllV(dst, src, recvCounts, sendCounts), options)
}

func (c *Comm) allToAllV(dst, src strided.Tensor, recvCounts, sendCounts []int64) request {
	far := reachOf(dstSrc, &dst, &src)
	call := countCall(agree.AllToAllV, &src, 0, 0)
	ins, argument, err := c.checkCounts("recvCounts", recvCounts, "dst", dst)
	var outs []int64
	if err == nil {
		outs, argument, err = c.checkCounts("sendCounts", sendCounts, "src", src)
	}
	if err == nil {
		argument, err = first(
			func() (string, error) { return checkIn(src) },
			func() (string, error) { return checkOut(dst) },
			func() (string, error) { return sameDType(dst, src) },
			func() (string, error) {
				if dst.Count() > 0 && strided.Same(dst, src) {
					return "dst", fmt.Errorf("%w: it is src; parts of different sizes cannot be exchanged in place", strided.ErrOverlap)
				}
				return "dst", strided.Conflict(dst, src)
			},
			func() (string, error) {
				if recvCounts[c.rank] != sendCounts[c.rank] {
					return "recvCounts", fmt.Errorf("%w: this rank receives %d elements from itself and sends itself %d", strided.ErrShape, recvCounts[c.rank], sendCounts[c.rank])
				}
				return "", nil
			},
		)
	}
	if err != nil {
		return refused(call, argument, err)
	}
	return request{call: call, order: strided.Logical, reach: far, empty: dst.OnDevice() || src.OnDevice(), attempt: func(o agree.Op) error {
		to, err := dst.View(strided.Logical)
		if err != nil {
			return err
		}
		from, err := src.View(strided.Logical)
		if err != nil {
			return err
		}
		return c.exchangeAll(o, &parting{to: to, from: from, variable: true, ins: ins, outs: outs})
	}}
}

// checkCounts checks the counts of parts, one per rank, that a tensor consists of, and
// returns where the parts begin, and where the last one ends.
func (c *Comm) checkCounts(name string, counts []int64, whole string, t strided.Tensor) (starts []int64, argument string, err error) {
	if len(counts) != c.size {
		return nil, name, fmt.Errorf("%w: %d counts; give one for each of %d ranks", strided.ErrShape, len(counts), c.size)
	}
	starts = make([]int64, c.size+1)
	for rank, n := range counts {
		if n < 0 || n > t.Count()-starts[rank] {
			return nil, name, fmt.Errorf("%w: %v; the counts must be those of the parts of %s, which has %d elements", strided.ErrShape, counts, whole, t.Count())
		}
		starts[rank+1] = starts[rank] + n
	}
	if starts[c.size] != t.Count() {
		return nil, name, fmt.Errorf("%w: %v; together that is %d elements, and %s has %d", strided.ErrShape, counts, starts[c.size], whole, t.Count())
	}
	return starts, "", nil
}

func sameDType(dst, src strided.Tensor) (string, error) {
	if dst.DType() != src.DType() {
		return "dst", fmt.Errorf("its dtype is %v and src's is %v; both must be the same", dst.DType(), src.DType())
	}
	return "", nil
}
