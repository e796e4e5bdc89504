package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// run carries out one collective: it takes the call's place in the sequence of
// operations, runs attempts until one stands, and turns whatever went wrong
// into the error that all ranks return.
func (c *Comm) run(ctx context.Context, call *agree.Call, walk strided.Walk, attempt func(op agree.Op) error) error {
	return c.conduct(ctx, call, walk, false, attempt)
}

// runParts is run for an operation that stands for several calls, whose attempt calls
// member.Stamp.
func (c *Comm) runParts(ctx context.Context, call *agree.Call, parts []*agree.Call, walk strided.Walk, attempt func(op agree.Op) error) error {
	return c.conductParts(ctx, call, parts, walk, true, attempt)
}

// conduct is run, where stamps says whether attempt calls member.Stamp itself, when it has
// done what other ranks may be waiting for.
func (c *Comm) conduct(ctx context.Context, call *agree.Call, walk strided.Walk, stamps bool, attempt func(op agree.Op) error) error {
	return c.conductParts(ctx, call, nil, walk, stamps, attempt)
}

// conductParts is conduct for an operation that may stand for several calls.
func (c *Comm) conductParts(ctx context.Context, call *agree.Call, parts []*agree.Call, walk strided.Walk, stamps bool, attempt func(op agree.Op) error) error {
	if err := c.member.Broken(); err != nil {
		return err // at once, even while Close holds the turn
	}
	err := ctx.Err()
	if err == nil {
		err = c.turn.takeWithin(ctx)
	}
	if err != nil {
		return c.notStarted(call, err)
	}
	defer c.turn.give()
	if parts != nil {
		c.member.Together(parts)
	}
	op, err := c.member.Enter(call, walk, "")
	if err != nil {
		c.dumpFailure()
		return c.explain(err, call)
	}
	if !stamps || op.Walk != walk || c.tracer != nil { // which is carried out otherwise, or has hops that are not to begin before it
		c.member.Stamp()
	}
	if c.calls != nil {
		c.logCalls(op.Seq, call, parts)
	}
	if c.size == 1 {
		return c.member.End(attempt(op))
	}
	watch := c.watches.begin(ctx, call.Kind)
	c.alarm.arm(c.firstLook())
	for {
		err = attempt(op)
		if err == nil {
			break
		}
		c.soil()
		err = c.cause(op, err)
		if !errors.Is(err, agree.ErrRestart) {
			break
		}
		op = c.member.Restarted()
	}
	err = c.member.End(err)
	c.watches.end(watch)
	if err == nil {
		return nil
	}
	// Has the context ended while the operation ran? Say so in its own terms too.
	if ended := context.Cause(ctx); ended != nil {
		err = fmt.Errorf("%w: %w", ended, err)
	}
	c.dumpFailure()
	return c.explain(err, call)
}

// verdictWait bounds how long a rank whose own link failed waits to hear the
// cause that the coordinator tells everybody.
const verdictWait = 3 * time.Second

// cause turns an attempt's error into the communicator's. If the attempt was
// not stopped from outside, a link failed under it: the failure is reported,
// and the verdict, which names the rank that failed first, awaited.
func (c *Comm) cause(op agree.Op, err error) error {
	if stopped := op.Stop.Err(); stopped != nil {
		return stopped
	}
	c.control.Fail(err)
	for {
		due := time.Now().Add(verdictWait)
		patience := time.NewTimer(verdictWait)
		select {
		case <-op.Stop.Done():
			patience.Stop()
			return op.Stop.Err()
		case <-patience.C:
		}
		if time.Since(due) > asleep { // the verdict may be there, and is about to be read
			continue
		}
		c.member.Fail(err)
		return err
	}
}

// explain adds what this rank was doing to an error that names a rank.
func (c *Comm) explain(err error, call *agree.Call) error {
	var re *RankError
	if errors.As(err, &re) && re.Doing == "" && err == error(re) {
		return &RankError{Rank: re.Rank, Doing: fmt.Sprintf("%v on rank %d%s", call.Kind, c.rank, c.inParent(re.Rank, c.rank)), Err: re.Err}
	}
	return err
}

// refuse reports bad arguments: this rank's call fails at once, and the other
// ranks are told instead of being left waiting.
func (c *Comm) refuse(call *agree.Call, argument string, err error) error {
	bad := &ArgumentError{Rank: c.rank, Call: call.Kind.String(), Argument: argument, Err: err}
	if c.queue.busy() {
		return c.runTask(context.Background(), &task{call: *call, bad: bad})
	}
	return c.refuseNow(call, nil, bad)
}

// refuseLater is refuse for a call that must not wait until the others before it
// have ended.
func (c *Comm) refuseLater(call agree.Call, argument string, err error) error {
	return c.refuseTask(&task{call: call}, argument, err)
}

// refuseTask is refuseLater for a task.
func (c *Comm) refuseTask(of *task, argument string, err error) error {
	bad := &ArgumentError{Rank: c.rank, Call: of.call.Kind.String(), Argument: argument, Err: err}
	t := &task{call: of.call, parts: of.parts, bad: bad}
	w := c.newWork(t)
	w.run = func() error { return c.refuseNow(&t.call, t.parts, bad) }
	_ = c.enqueue(context.Background(), w, t) // if it fails, nobody is left to be told
	return bad
}

// refuseNow refuses a call, or several that are one operation, in its turn.
func (c *Comm) refuseNow(call *agree.Call, parts []*agree.Call, bad *ArgumentError) error {
	if c.member.Broken() != nil {
		return bad // nobody is left to be told
	}
	c.turn.take()
	defer c.turn.give()
	if c.size > 1 {
		c.soil()
		if parts != nil {
			c.member.Together(parts)
		}
		if _, failed := c.member.Begin(call, strided.Logical, fmt.Sprintf("%s: %v", bad.Argument, bad.Err)); failed != nil {
			return errors.Join(bad, failed)
		}
		c.dumpFailure()
	}
	return bad
}

// fail makes the communicator unusable on all ranks, with the cause that the
// coordinator hears of first.
func (c *Comm) fail(cause error) {
	if c.control == nil {
		c.member.Fail(cause)
		return
	}
	c.control.Fail(cause)
}
