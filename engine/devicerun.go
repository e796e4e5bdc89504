package engine

import (
	"context"
	"errors"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine/internal/agree"
)

// deviceRun is one attempt at a collective on tensors of a device.
type deviceRun struct {
	agree.Op
	c    *Comm
	g    *gpu
	gate *gate
	// pieces is where the chunk that is being received goes, as links take it.
	pieces [1][]byte
}

// runOnDevice is run for tensors of a device.
func (c *Comm) runOnDevice(ctx context.Context, t *task) error {
	if c.size == 1 && ctx.Done() != nil { // nobody else watches it
		defer context.AfterFunc(ctx, func() { c.abort(ctx, t.call.Kind) })()
	}
	attempt := func(o agree.Op) error { return c.attemptOnDevice(o, t) }
	var err error
	if t.apart != nil {
		err = c.runApart(ctx, &t.call, attempt)
	} else if t.parts != nil {
		err = c.runParts(ctx, &t.call, t.parts, t.walk, attempt)
	} else {
		err = c.run(ctx, &t.call, t.walk, attempt)
	}
	t.gate.leave()
	return t.gate.own(c.rank, err)
}

func (c *Comm) attemptOnDevice(o agree.Op, t *task) error {
	d := &deviceRun{Op: o, c: c, g: t.gate.g, gate: t.gate}
	t.gate.run.Stop = func() error {
		if err := o.Stop.Err(); err != nil {
			return err
		}
		return t.gate.lost()
	}
	d.g.renew()
	err := t.gate.awaitInputs(o.Stop)
	if err == nil {
		err = d.carryOut(t)
	}
	if err == nil {
		err = t.gate.await(o.Stop, t.gate.run.Last())
	}
	if err != nil {
		err = d.named(err)
		// The next attempt, the caller and other work of its stream may touch
		// the tensors and the slots.
		if e := t.gate.drain(); e != nil {
			e = d.named(e)
			if errors.Is(e, errStuck) {
				c.fail(e) // another attempt would use slots that are still written to
			}
		}
	}
	return err
}

func (d *deviceRun) carryOut(t *task) error {
	switch {
	case t.onDevice != nil:
		return t.onDevice(d)
	case t.apart != nil:
		return t.reach.during(d, func() error { return t.apart(d.Op) })
	}
	return t.reach.during(d, func() error { return t.onHost(d.Op) })
}

// named makes an error of the driver one that says on which rank and device, and
// remembers the first. It returns all other errors as they are.
func (d *deviceRun) named(err error) error {
	var call *cudaffi.Error
	var known *DeviceError
	if errors.As(err, &known) || !errors.As(err, &call) && !errors.Is(err, errStuck) && !errors.Is(err, errLost) {
		return err
	}
	failure := &DeviceError{Device: d.g.ctx.Device().Ordinal, Err: err}
	d.gate.failure.CompareAndSwap(nil, failure)
	return &RankError{Rank: d.c.rank, Err: failure}
}

// own makes the error that all ranks return for a failure of this rank's device
// wrap its cause, which does not travel.
func (t *gate) own(rank int, err error) error {
	failure := t.failure.Load()
	var re *RankError
	if failure != nil && errors.As(err, &re) && err == error(re) && re.Rank == rank && errors.Is(err, ErrCUDA) {
		return &RankError{Rank: rank, Doing: re.Doing, Err: failure}
	}
	return err
}
