package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
)

// runApart carries out what is not in the sequence of operations that all ranks make:
// messages. There are no attempts and no verdicts; an error on the way makes the
// communicator fail.
func (c *Comm) runApart(ctx context.Context, call *agree.Call, exchange func(o agree.Op) error) error {
	if err := c.member.Broken(); err != nil {
		return err
	}
	err := ctx.Err()
	if err == nil {
		err = c.turn.takeWithin(ctx)
	}
	if err != nil {
		return c.notStarted(call, err)
	}
	defer c.turn.give()
	stop, err := c.member.BeginApart(call)
	if err != nil {
		return c.explain(err, call)
	}
	if c.calls != nil {
		c.logCall(c.member.Next(), call)
	}
	watch := c.watches.begin(ctx, call.Kind)
	c.alarm.arm(c.firstLook())
	o := agree.Op{Stop: stop}
	if err = exchange(o); err != nil {
		err = c.causeApart(o, err)
	}
	c.member.EndApart(err)
	c.watches.end(watch)
	if err == nil {
		return nil
	}
	if ended := context.Cause(ctx); ended != nil {
		err = fmt.Errorf("%w: %w", ended, err)
	}
	c.dumpFailure()
	return c.explain(err, call)
}

// causeApart is cause, also for a rank that is alone.
func (c *Comm) causeApart(o agree.Op, err error) error {
	if c.control == nil {
		c.member.Fail(err)
		return err
	}
	return c.cause(o, err)
}

// onAlarmApart is onAlarm while messages are under way. Nobody can say whether the
// other rank will come, and it may have all the time that there is; but if some rank does
// not answer the coordinator, it is most likely the cause.
func (c *Comm) onAlarmApart(lasted time.Duration) {
	const apart = ^uint64(0) // for an operation that has no number
	timeout := c.cfg.Timeout
	switch {
	case lasted < timeout && c.unanswered():
		return
	case lasted < timeout:
		c.alarm.asked = time.Time{}
		c.alarm.ring(timeout - lasted)
		return
	case c.control != nil && (c.alarm.asked.IsZero() || c.alarm.askedFor != apart):
		c.member.LateApart()
		c.awaitVerdict(apart)
		return
	case c.control != nil && !c.member.Answered() && !c.overdue():
		c.alarm.ring(verdictLook)
		return
	}
	c.alarm.set.Store(false)
	c.fail(&RankError{Rank: c.rank, Doing: "waiting for the other end of a send or recv",
		Err: fmt.Errorf("%w after %v", ErrTimeout, c.cfg.Timeout)})
}
