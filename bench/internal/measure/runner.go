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
	seed    uint64 // of the last filling; the same on all ranks
}

// Time returns the seconds that one call takes: the mean over iters calls made
// back to back after warmup others, on the rank where it is greatest. Those on a
// GPU follow each other on its stream, and the last has ended when the time is
// taken, as in nccl-tests.
func (r *Runner) Time(ctx context.Context, c Call, warmup, iters int) (float64, error) {
	dst, src := r.Buffers.tensors(c, r.Comm.Rank())
	seed := r.nextSeed()
	if err := src.fill(c.steady(r.Comm.Size(), r.Comm.Rank(), seed), seed); err != nil {
		return 0, err
	}
	if !c.InPlace {
		if err := dst.fill(oracle.Copy(r.Comm.Rank(), ^seed), seed); err != nil {
			return 0, err
		}
	}
	into, from := dst.view(c.DType), src.view(c.DType)
	if _, err := r.repeat(ctx, c, into, from, warmup); err != nil {
		return 0, err
	}
	if err := Barrier(ctx, r.Comm); err != nil {
		return 0, err
	}
	took, err := r.repeat(ctx, c, into, from, iters)
	if err != nil {
		return 0, err
	}
	return Max(ctx, r.Comm, took.Seconds()/float64(iters))
}

// repeat makes a call times times, back to back, and returns how long that took.
func (r *Runner) repeat(ctx context.Context, c Call, dst, src strided.Tensor, times int) (time.Duration, error) {
	gpu := r.Buffers.gpu
	if gpu != nil {
		return r.repeatOn(ctx, gpu.Stream, c, dst, src, times)
	}
	start := time.Now()
	for range times {
		if err := c.do(ctx, r.Comm, dst, src); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// repeatOn is repeat on a stream. Whether the calls have succeeded is asked when
// all have ended.
func (r *Runner) repeatOn(ctx context.Context, stream cudaffi.Stream, c Call, dst, src strided.Tensor, times int) (time.Duration, error) {
	works := make([]*engine.Work, times)
	start := time.Now()
	for i := range works {
		var err error
		if works[i], err = c.start(ctx, r.Comm, dst, src, stream); err != nil {
			return 0, err
		}
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

// Verify makes times calls, each on new values, and returns the number of wrong
// values on all ranks: elements of the result, elements of the source that
// changed, and memory around and between them that should not have been
// written. It stops at the first call that has any. With no calls it returns
// report.Unchecked.
func (r *Runner) Verify(ctx context.Context, c Call, times int) (int64, error) {
	wrong := int64(report.Unchecked)
	for range times {
		mine, err := r.verifyOnce(ctx, c)
		if err != nil {
			return 0, err
		}
		if wrong, err = Sum(ctx, r.Comm, mine); err != nil || wrong != 0 {
			return wrong, err
		}
	}
	return wrong, nil
}

func (r *Runner) verifyOnce(ctx context.Context, c Call) (int64, error) {
	dst, src := r.Buffers.tensors(c, r.Comm.Rank())
	seed := r.nextSeed()
	input, result := c.expect(r.Comm.Size(), r.Comm.Rank(), seed)
	call := func() error {
		_, err := r.repeat(ctx, c, dst.view(c.DType), src.view(c.DType), 1)
		return err
	}
	if !c.InPlace {
		return verifyPair(dst, src, input, result, seed, call)
	}
	if err := dst.fill(input, seed); err != nil {
		return 0, err
	}
	if err := call(); err != nil {
		return 0, err
	}
	return dst.wrong(result, seed)
}

// verifyPair verifies a call out of place. The destination is filled with
// values that are not the result, whatever the last call left there.
func verifyPair(dst, src tensor, input, result *oracle.Table, seed uint64, call func() error) (int64, error) {
	var other oracle.Table
	for class, bits := range result {
		other[class] = ^bits
	}
	if err := errors.Join(src.fill(input, seed), dst.fill(&other, seed)); err != nil {
		return 0, err
	}
	if err := call(); err != nil {
		return 0, err
	}
	inDst, err := dst.wrong(result, seed)
	inSrc, errSrc := src.wrong(input, seed)
	return inDst + inSrc, errors.Join(err, errSrc)
}

// nextSeed is a seed that no filling has had yet.
func (r *Runner) nextSeed() uint64 {
	r.seed++
	return oracle.Mix(r.seed, 0)
}
