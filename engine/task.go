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
	call  agree.Call
	parts []*agree.Call // the calls that it stands for, if those are several
	walk  strided.Walk
	// One attempt, on tensors in host memory or in a device's.
	onHost   func(o agree.Op) error
	apart    func(o agree.Op) error // instead, if it is not in the sequence of all ranks' operations
	together func() error           // instead, if it is several, which are in one entry of the queue
	onDevice func(d *deviceRun) error
	reach    *reach         // instead of onDevice: onHost or apart gets at the device's memory by this
	tensors  []argument     // of which some are a device's
	empty    bool           // the device's, but without elements
	gate     *gate          // orders the task among other work of the device
	bad      *ArgumentError // the task is to tell the others of this, and no more
}

// argument is a tensor that a call was given.
type argument struct {
	name   string
	tensor strided.Tensor
}

// startTask queues a task and returns at once. The end of ctx aborts it from then
// on, queued or not.
func (c *Comm) startTask(ctx context.Context, t *task, options []CallOption) (*Work, error) {
	return c.queueTask(ctx, t, options, true, false)
}

// queueTask is startTask, where holds says whether later work on the task's stream waits
// for it. It need not where the caller does. waits says that the caller will carry the
// work out, if it is to be done here; see queue.push.
func (c *Comm) queueTask(ctx context.Context, t *task, options []CallOption, holds, waits bool) (*Work, error) {
	if err := ctx.Err(); err != nil {
		return nil, c.notStarted(&t.call, err)
	}
	if argument, err := c.locate(t, options, holds); err != nil {
		if argument == "" {
			return nil, err
		}
		if t.apart != nil {
			return nil, c.refuseApart(t, argument, err)
		}
		return nil, c.refuseTask(t, argument, err)
	}
	w := c.newWork(t)
	w.waits = waits
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
		t.letGo()
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
		if t.apart != nil {
			return c.refuseApart(t, argument, err)
		}
		return c.refuse(&t.call, argument, err)
	}
	w := c.newWork(t)
	w.waits = true
	w.run = func() error { return c.carryOut(ctx, t) }
	if err := c.enqueue(ctx, w, t); err != nil {
		t.letGo()
		if t.bad != nil {
			return t.bad
		}
		return c.explain(err, &t.call)
	}
	if w.here {
		c.queue.workHere()
		return w.err
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		if w.state.CompareAndSwap(workQueued, workWithdrawn) {
			if t.gate != nil {
				t.gate.leave()
			}
			return c.notStarted(&t.call, ctx.Err())
		}
		<-w.done // whoever carries it out watches the context
	}
	return w.err
}

// letGo ends what the wires were told of a task that is not to be.
func (t *task) letGo() {
	if t.gate != nil {
		t.gate.letGo()
	}
}

// refuseApart is refuse for messages, of which no other rank knows.
func (c *Comm) refuseApart(t *task, argument string, err error) error {
	return &ArgumentError{Rank: c.rank, Call: t.call.Kind.String(), Argument: argument, Err: err}
}

// notStarted is the error of a call whose context had ended before its turn.
func (c *Comm) notStarted(call *agree.Call, err error) error {
	return fmt.Errorf("rank %d: %v: not started: %w", c.rank, call.Kind, err)
}

// carryOut does what a task is about when its turn has come.
func (c *Comm) carryOut(ctx context.Context, t *task) error {
	switch {
	case t.bad != nil:
		return c.refuseNow(&t.call, t.parts, t.bad)
	case t.together != nil:
		return t.together()
	case t.gate != nil:
		return c.runOnDevice(ctx, t)
	case t.apart != nil:
		return c.runApart(ctx, &t.call, t.apart)
	case t.parts != nil:
		return c.runParts(ctx, &t.call, t.parts, t.walk, t.onHost)
	}
	return c.run(ctx, &t.call, t.walk, t.onHost)
}
