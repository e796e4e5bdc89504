package measure

import (
	"context"
	"errors"
	"time"

	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/bench/internal/report"
	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// Runner makes one rank's calls.
type Runner struct {
	Comm    Comm
	Buffers *Buffers
	// Aggregate is how many calls Time makes as one group, if more than 1.
	Aggregate int
	// Across says which of the ranks' times Time returns.
	Across Across
	// Blocking has Time wait for each call, or group, that is on a GPU's stream.
	Blocking bool

	seed   uint64 // of the last filling; the same on all ranks
	mulsum map[strided.DType]strided.Op
}

// Time returns the seconds that one call takes: the mean over iters calls, or groups of
// Aggregate, made back to back after warmup others, of the rank or ranks that Across says.
// Those on a GPU follow each other on its stream, and the last has ended when the time is
// taken, as in nccl-tests.
func (r *Runner) Time(ctx context.Context, c Call, warmup, iters int) (float64, error) {
	p := r.Buffers.tensors(c, r.Comm.Rank(), r.Comm.Size())
	seed := r.nextSeed()
	given := c.steady(r.Comm.Size(), r.Comm.Rank(), seed)
	switch {
	case p.src == nil: // in place, or this rank gives nothing
		if err := p.dst.fill(given, seed); err != nil {
			return 0, err
		}
	case p.dst == nil:
		if err := p.src.fill(given, seed); err != nil {
			return 0, err
		}
	default:
		other := oracle.Whole(oracle.Copy(r.Comm.Rank(), ^seed))
		if err := errors.Join(p.src.fill(given, seed), p.dst.fill(other, seed)); err != nil {
			return 0, err
		}
	}
	into, from := p.into, p.from
	c, err := r.withOp(c)
	if err != nil {
		return 0, err
	}
	together := max(r.Aggregate, 1)
	if _, err := r.repeat(ctx, c, into, from, warmup, together); err != nil {
		return 0, err
	}
	if err := Barrier(ctx, r.Comm); err != nil {
		return 0, err
	}
	took, err := r.repeat(ctx, c, into, from, iters, together)
	if err != nil {
		return 0, err
	}
	return r.Across.of(ctx, r.Comm, took.Seconds()/float64(iters*together))
}

// repeat makes a call times times, back to back, or as many groups of so many calls, and
// returns how long that took.
func (r *Runner) repeat(ctx context.Context, c Call, dst, src strided.Tensor, times, together int) (time.Duration, error) {
	gpu := r.Buffers.gpu
	if gpu != nil {
		return r.repeatOn(ctx, gpu.Stream, c, dst, src, times, together)
	}
	start := time.Now()
	for range times {
		var err error
		if together > 1 {
			err = r.Comm.Group(ctx, c.joined(together, dst, src))
		} else {
			err = c.do(ctx, r.Comm, dst, src)
		}
		if err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// repeatOn is repeat on a stream. Whether the calls have succeeded is asked when
// all have ended.
func (r *Runner) repeatOn(ctx context.Context, stream cudaffi.Stream, c Call, dst, src strided.Tensor, times, together int) (time.Duration, error) {
	works := make([]*engine.Work, 0, times)
	start := time.Now()
	for range times {
		more, err := r.put(ctx, stream, c, dst, src, together)
		if err == nil && r.Blocking {
			err = stream.Sync()
		}
		if err != nil {
			return 0, err
		}
		works = append(works, more...)
	}
	err := stream.Sync()
	took := time.Since(start)
	for _, w := range works {
		if failed := w.Wait(ctx); failed != nil {
			return 0, failed
		}
	}
	return took, err
}

// put puts a call on a stream, or a group of so many.
func (r *Runner) put(ctx context.Context, stream cudaffi.Stream, c Call, dst, src strided.Tensor, together int) ([]*engine.Work, error) {
	if together == 1 {
		return c.start(ctx, r.Comm, dst, src, stream)
	}
	return r.Comm.StartGroup(ctx, func(g *engine.Group) error {
		g.Use(engine.OnStream(stream))
		return c.joined(together, dst, src)(g)
	})
}

// Verify makes times calls, each on new values, and returns the number of wrong
// values on all ranks: elements of the result, elements of the source that
// changed, and memory around and between them that should not have been
// written. It stops at the first call that has any. With no calls it returns
// report.Unchecked.
func (r *Runner) Verify(ctx context.Context, c Call, times int) (int64, error) {
	wrong := int64(report.Unchecked)
	for range times {
		mine, err := r.Once(ctx, c, r.nextSeed())
		if err != nil {
			return 0, err
		}
		if wrong, err = Sum(ctx, r.Comm, mine); err != nil || wrong != 0 {
			return wrong, err
		}
	}
	return wrong, nil
}

// Once makes one call, on values that follow from seed, which is the same on all ranks,
// and returns the number of wrong values on this rank. It makes no other call, so when
// one fails, it is this.
func (r *Runner) Once(ctx context.Context, c Call, seed uint64) (wrong int64, err error) {
	rank, ranks := r.Comm.Rank(), r.Comm.Size()
	p := r.Buffers.tensors(c, rank, ranks)
	input, result := c.expect(ranks, rank, seed)
	hasDst, hasSrc := c.uses(rank)
	ofDst, ofSrc := c.blocks(ranks)
	block := c.PerRank(ranks)
	// What the tensors hold before the call, and must after it. A destination is filled
	// with values that are not the result, whatever the last call left there.
	dstBefore, dstAfter := result.Not(), result
	srcBefore, srcAfter := input, input
	if c.InPlace && hasDst && hasSrc {
		switch {
		case ofDst > ofSrc: // what is given is a block of the destination
			dstBefore = within(result.Not(), input, block, ofDst, rank)
		case ofDst < ofSrc: // what is got is a block of the source
			srcAfter = within(input, result, block, ofSrc, rank)
		default:
			dstBefore = input
		}
	}
	if p.dst != nil {
		if err := p.dst.fill(dstBefore, seed); err != nil {
			return 0, err
		}
	}
	if p.src != nil {
		if err := p.src.fill(srcBefore, seed); err != nil {
			return 0, err
		}
	}
	if c, err = r.withOp(c); err != nil {
		return 0, err
	}
	if _, err := r.repeat(ctx, c, p.into, p.from, 1, 1); err != nil {
		return 0, err
	}
	var errs [2]error
	if p.dst != nil {
		wrong, errs[0] = p.dst.wrong(dstAfter, seed)
	}
	if p.src != nil {
		var n int64
		n, errs[1] = p.src.wrong(srcAfter, seed)
		wrong += n
	}
	return wrong, errors.Join(errs[:]...)
}

// nextSeed is a seed that no filling has had yet.
func (r *Runner) nextSeed() uint64 {
	r.seed++
	return oracle.Mix(r.seed, 0)
}
