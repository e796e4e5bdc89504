package measure

import (
	"context"
	"time"

	"github.com/monel-dev/monel/bench/internal/memory"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/bench/internal/report"
)

// Runner makes one rank's calls.
type Runner struct {
	Comm    Comm
	Buffers *Buffers
	seed    uint64 // of the last filling; the same on all ranks
}

// Time returns the seconds that one call takes: the mean over iters calls made
// back to back after warmup others, on the rank where it is greatest.
func (r *Runner) Time(ctx context.Context, c Call, warmup, iters int) (float64, error) {
	dst, src := r.Buffers.tensors(c, r.Comm.Rank())
	seed := r.nextSeed()
	src.Fill(c.steady(r.Comm.Size(), r.Comm.Rank(), seed), seed)
	if !c.InPlace {
		dst.Fill(oracle.Copy(r.Comm.Rank(), ^seed), seed)
	}
	into, from := view(c.DType, dst), view(c.DType, src)
	for range warmup {
		if err := c.do(ctx, r.Comm, into, from); err != nil {
			return 0, err
		}
	}
	if err := Barrier(ctx, r.Comm); err != nil {
		return 0, err
	}
	start := time.Now()
	for range iters {
		if err := c.do(ctx, r.Comm, into, from); err != nil {
			return 0, err
		}
	}
	return Max(ctx, r.Comm, time.Since(start).Seconds()/float64(iters))
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
	if c.InPlace {
		dst.Fill(input, seed)
		err := c.do(ctx, r.Comm, view(c.DType, dst), view(c.DType, dst))
		return dst.Wrong(result, seed), err
	}
	return verifyPair(dst, src, input, result, seed, func() error {
		return c.do(ctx, r.Comm, view(c.DType, dst), view(c.DType, src))
	})
}

// verifyPair verifies a call out of place. The destination is filled with
// values that are not the result, whatever the last call left there.
func verifyPair(dst, src memory.Tensor, input, result *oracle.Table, seed uint64, call func() error) (int64, error) {
	var other oracle.Table
	for class, bits := range result {
		other[class] = ^bits
	}
	src.Fill(input, seed)
	dst.Fill(&other, seed)
	if err := call(); err != nil {
		return 0, err
	}
	return dst.Wrong(result, seed) + src.Wrong(input, seed), nil
}

// nextSeed is a seed that no filling has had yet.
func (r *Runner) nextSeed() uint64 {
	r.seed++
	return oracle.Mix(r.seed, 0)
}
