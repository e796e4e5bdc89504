package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// AllGatherV is AllGather of blocks that differ in size: rank r has counts[r] elements,
// and dst has all of them, in logical order one rank's after the other's. counts is the
// same on all ranks and is not kept.
//
// Shapes and strides may be any, as long as the counts are right; elements are matched
// in logical order. In place, src is the part of dst that it is to become, in the same
// logical order and under whatever shape; otherwise the two must not share memory.
//
// If the ranks disagree about the counts or anything else, every rank gets a
// *MismatchError; dst may have been written by then, src not.
func (c *Comm) AllGatherV(ctx context.Context, dst, src strided.Tensor, counts []int64) error {
	if dst.OnDevice() || src.OnDevice() {
		return c.carry(ctx, c.allGatherVOf(dst, src, counts))
	}
	p, argument, err := c.prepareAllGatherV(&dst, &src, counts)
	switch {
	case err != nil:
		return c.refuse(&p.call, argument, err)
	case c.queue.busy():
		return c.carry(ctx, c.allGatherVOf(dst, src, counts))
	}
	return c.conduct(ctx, &p.call, strided.Logical, p.flat, func(o agree.Op) error { return c.allGather(o, p, &dst, &src) })
}

// StartAllGatherV is AllGatherV without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartAllGatherV(ctx context.Context, dst, src strided.Tensor, counts []int64, options ...CallOption) (*Work, error) {
	return c.begin(ctx, c.allGatherVOf(dst, src, counts), options)
}

// allGatherVOf is the request for a call, carried out now or later.
func (c *Comm) allGatherVOf(dst, src strided.Tensor, counts []int64) request {
	far := reachOf(dstSrc, &dst, &src)
	p, argument, err := c.prepareAllGatherV(&dst, &src, counts)
	if err != nil {
		return refused(p.call, argument, err)
	}
	return request{call: p.call, order: strided.Logical, reach: far, empty: dst.OnDevice() || src.OnDevice(), attempt: func(o agree.Op) error {
		return c.allGather(o, p, &dst, &src)
	}}
}

// AllToAllV is AllToAll of parts that differ in size: sendCounts[p] elements of src go to
// rank p, and recvCounts[p] come from it, the parts following each other in src and dst
// in the order of ranks and in logical order. What a rank sends to another is what that
// one receives from it. The slices are not kept.
//
// They may be the same tensor (in place) if sendCounts and recvCounts are the same;
// otherwise they must not share memory. If a part has another size than its receiver expects, the
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
				if dst.Count() > 0 && strided.Same(dst, src) && !slices.Equal(recvCounts, sendCounts) {
					return "dst", fmt.Errorf("%w: it is src; parts can be exchanged in place only where recvCounts and sendCounts are the same", strided.ErrOverlap)
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
	inPlace := dst.Count() > 0 && strided.Same(dst, src)
	return request{call: call, order: strided.Logical, reach: far, empty: dst.OnDevice() || src.OnDevice(), attempt: func(o agree.Op) error {
		to, err := dst.View(strided.Logical)
		if err != nil {
			return err
		}
		from, err := src.View(strided.Logical)
		if err != nil {
			return err
		}
		return c.exchangeAll(o, &parting{to: to, from: from, inPlace: inPlace, variable: true, ins: ins, outs: outs})
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
