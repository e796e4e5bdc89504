package engine

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
)

// messages is what a communicator keeps for those under way, which may go on beside a
// collective.
type messages struct {
	turn  turn   // held by those under way; taken before the communicator's
	posts []post // for those to and from each rank; nil until there is one
	alarm alarm
	now   atomic.Pointer[exchange]
}

// runApart carries out what is not in the sequence of operations that all ranks make:
// messages. There are no attempts and no verdicts; an error on the way makes the
// communicator fail.
func (c *Comm) runApart(ctx context.Context, call *agree.Call, exchange func(o agree.Op) error) error {
	if err := c.member.Broken(); err != nil {
		return err
	}
	err := ctx.Err()
	if err == nil {
		err = c.apart.turn.takeWithin(ctx)
	}
	if err != nil {
		return c.notStarted(call, err)
	}
	defer c.apart.turn.give()
	if err := c.turn.takeWithin(ctx); err != nil {
		return c.notStarted(call, err)
	}
	defer c.turn.give()
	return c.conductApart(ctx, call, exchange)
}

// runBeside is runApart beside collectives of the same group, whose caller has the
// communicator wait for both.
func (c *Comm) runBeside(call *agree.Call, exchange func(o agree.Op) error) error {
	c.apart.turn.take()
	defer c.apart.turn.give()
	return c.conductApart(context.Background(), call, exchange)
}

// conductApart carries messages out whose turn has come. If ctx can end, it is the
// communicator's, too.
func (c *Comm) conductApart(ctx context.Context, call *agree.Call, exchange func(o agree.Op) error) error {
	stop, err := c.member.BeginApart(call)
	if err != nil {
		return c.explain(err, call)
	}
	if c.calls != nil {
		c.logCall(c.member.Next(), call)
	}
	watch := c.watches.begin(ctx, call.Kind)
	c.apart.alarm.arm(c.firstLook())
	o := agree.Op{Stop: stop}
	if err = exchange(o); err != nil {
		err = c.causeApart(o, err)
	}
	c.apart.now.Store(nil)
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

// onAlarmApart is onAlarm for messages. Nobody can say whether the other rank will come,
// and it may have all the time that there is; but if some rank does not answer the
// coordinator, it is most likely the cause.
func (c *Comm) onAlarmApart() {
	const apart = ^uint64(0) // for an operation that has no number
	a, timeout := &c.apart.alarm, c.cfg.Timeout
	if a.overslept() {
		return
	}
	lasted, ok := c.member.Apart()
	switch {
	case (!ok || lasted < timeout) && c.unanswered(a):
		return
	case !ok:
		a.set.Store(false)
		if _, ok := c.member.Apart(); ok { // as in onAlarm
			a.arm(c.firstLook())
		}
		return
	case lasted < timeout:
		a.asked = time.Time{}
		a.ring(timeout - lasted)
		return
	case c.control != nil && (a.asked.IsZero() || a.askedFor != apart):
		c.member.LateApart()
		a.awaitVerdict(apart)
		return
	case c.control != nil && !c.member.Answered() && !c.overdue(a):
		a.ring(verdictLook)
		return
	}
	a.set.Store(false)
	c.fail(&RankError{Rank: c.rank, Doing: "waiting for " + c.awaited(),
		Err: fmt.Errorf("%w after %v", ErrTimeout, timeout)})
}

// awaitedMost is how many ranks an error names that messages wait for.
const awaitedMost = 8

// awaited says which messages have not come or gone yet: of each rank, the first.
func (c *Comm) awaited() string {
	var list []string
	if x := c.apart.now.Load(); x != nil {
		for _, k := range x.recvs {
			list = k.awaited(list, "recv", "from")
		}
		for _, k := range x.sends {
			list = k.awaited(list, "send", "to")
		}
	}
	switch more := len(list) - awaitedMost; {
	case len(list) == 0:
		return "the other end of a send or recv"
	case more > 0:
		list = append(list[:awaitedMost], fmt.Sprintf("%d more", more))
	}
	return strings.Join(list, ", ")
}

// awaited adds to a list what a convoy waits for, if there is anything.
func (k *convoy) awaited(list []string, what, where string) []string {
	done := int(k.done.Load())
	if done >= len(k.messages) {
		return list
	}
	first := k.messages[done].tensor
	text := fmt.Sprintf("the other end of a %s of %d %v %s rank %d", what, first.Count(), first.DType(), where, k.peer)
	if more := len(k.messages) - done - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return append(list, text)
}
