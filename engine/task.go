package engine

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// task is a collective that is to be carried out later, or whose tensors are a
// device's.
type task struct {
	call agree.Call
	walk strided.Walk
	// One attempt, on tensors in host memory or in a device's.
	onHost   func(o agree.Op) error
	apart    func(o agree.Op) error // instead, if it is not in the sequence of all ranks' operations
	onDevice func(d *deviceRun) error
	tensors  [2]strided.Tensor // the device's; the zero Tensor stands for none
	empty    bool              // the device's, but without elements
	gate     *gate             // orders the task among other work of the device
	bad      *ArgumentError    // the task is to tell the others of this, and no more
}

// startTask queues a task and returns at once. The end of ctx aborts it from then
// on, queued or not.
func (c *Comm) startTask(ctx context.Context, t *task, options []CallOption) (*Work, error) {
	if err := ctx.Err(); err != nil {
		return nil, c.notStarted(&t.call, err)
	}
	if argument, err := c.locate(t, options, true); err != nil {
		if argument == "" {
			return nil, err
		}
		return nil, c.refuseLater(t.call, argument, err)
	}
	w := c.newWork(t)
	unwatch := func() bool { return true }
	if ctx.Done() != nil {
		w.joined = func() { unwatch = context.AfterFunc(ctx, func() { c.abort(ctx, t.call.Kind) }) }
	}
	w.run = func() error {
		err := c.carryOut(context.Background(), t)
		unwatch()
		if ended := context.Cause(ctx); err != nil && ended != nil {
			return fmt.Errorf("%w: %w", ended, err)
		}
		return err
	}
	if err := c.enqueue(ctx, w, t); err != nil {
		return nil, c.explain(err, &t.call)
	}
	return w, nil
}

// runTask queues a task and waits until it has ended. A task that is still queued
// when ctx ends is withdrawn.
func (c *Comm) runTask(ctx context.Context, t *task) error {
	if err := ctx.Err(); err != nil {
		return c.notStarted(&t.call, err)
	}
	if argument, err := c.locate(t, nil, false); err != nil {
		if argument == "" {
			return err
		}
		return c.refuse(&t.call, argument, err)
	}
	w := c.newWork(t)
	w.run = func() error { return c.carryOut(ctx, t) }
	if err := c.enqueue(ctx, w, t); err != nil {
		if t.bad != nil {
			return t.bad
		}
		return c.explain(err, &t.call)
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		if w.state.CompareAndSwap(workQueued, workWithdrawn) {
			return c.notStarted(&t.call, ctx.Err())
		}
		<-w.done // whoever carries it out watches the context
	}
	return w.err
}

// notStarted is the error of a call whose context had ended before its turn.
func (c *Comm) notStarted(call *agree.Call, err error) error {
	return fmt.Errorf("rank %d: %v: not started: %w", c.rank, call.Kind, err)
}

// carryOut does what a task is about when its turn has come.
func (c *Comm) carryOut(ctx context.Context, t *task) error {
	switch {
	case t.bad != nil:
		return c.refuseNow(&t.call, t.bad)
	case t.apart != nil:
		return c.runApart(ctx, &t.call, t.apart)
	case t.gate == nil:
		return c.run(ctx, &t.call, t.walk, t.onHost)
	}
	return c.runOnDevice(ctx, t)
}
