package engine

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/transport/bootstrap"
)

const (
	// slowAfter is when a call in progress first asks whether all ranks are in
	// the same one; it asks again whenever that time has doubled.
	slowAfter = time.Second
	// lastResort is how long a verdict on a timeout may take before the rank
	// fails on its own.
	lastResort = 5 * time.Second
	// verdictDue is how long it usually takes at most, with ranks that do not answer.
	// Afterwards the rank looks whether the coordinator is silent, every so often.
	verdictDue  = 500 * time.Millisecond
	verdictLook = 100 * time.Millisecond
	// asleep is how much later than it should an alarm rings in a process that has been
	// stopped and continued. Nothing is concluded from time that passed meanwhile: what
	// others have sent is about to be read.
	asleep = time.Second
)

// alarm is the timer that looks after operations which take long. Starting and
// stopping it for each of them would cost a short one more than its work, and may
// wake a thread of the runtime's; so it is left running from one operation to the
// next, looks at whichever it meets, and stops when it meets none.
type alarm struct {
	timer *time.Timer
	set   atomic.Bool // the timer runs, or what it calls

	// When a verdict on a timeout was asked for, and about which operation; of onAlarm.
	asked    time.Time
	askedFor uint64
	born     time.Time
	due      atomic.Int64 // when it is to ring, since then
}

func (a *alarm) init(f func()) {
	a.born = time.Now()
	a.timer = time.AfterFunc(time.Hour, f)
	a.timer.Stop()
}

// arm makes sure that the alarm rings within d. It is called when an operation
// has begun.
func (a *alarm) arm(d time.Duration) {
	if !a.set.Load() && a.set.CompareAndSwap(false, true) {
		a.ring(d)
	}
}

// ring has it ring in d.
func (a *alarm) ring(d time.Duration) {
	a.due.Store(int64(time.Since(a.born) + d))
	a.timer.Reset(d)
}

// late is how much later it rings than it should.
func (a *alarm) late() time.Duration {
	return time.Since(a.born) - time.Duration(a.due.Load())
}

// firstLook is how long an operation may last before anything is done about it.
func (c *Comm) firstLook() time.Duration { return min(slowAfter, c.cfg.Timeout) }

// onAlarm runs now and then while the communicator is in use: it asks whether
// something is wrong with an operation that lasts, then for a verdict, which says
// who is missing, and at last gives up.
func (c *Comm) onAlarm() {
	if late := c.alarm.late(); late > asleep {
		if !c.alarm.asked.IsZero() {
			c.alarm.asked = time.Now()
		}
		c.alarm.ring(verdictDue)
		return
	} else if late > verdictLook && !c.alarm.asked.IsZero() {
		// Where this process gets no processor for so long, nor may the coordinator.
		c.alarm.asked = c.alarm.asked.Add(late)
	}
	if lasted, ok := c.member.Apart(); ok {
		c.onAlarmApart(lasted)
		return
	}
	seq, lasted, ok := c.member.Elapsed()
	if !(ok && c.alarm.askedFor == seq) && c.unanswered() {
		return
	}
	if !ok || c.control == nil { // a rank that is alone has nobody to ask
		c.alarm.set.Store(false)
		// One that has begun since may have relied on this alarm.
		_, _, ok := c.member.Elapsed()
		ok = ok && c.control != nil
		if _, apart := c.member.Apart(); ok || apart {
			c.alarm.arm(c.firstLook())
		}
		return
	}
	timeout := c.cfg.Timeout
	switch first := c.firstLook(); {
	case lasted < first: // set for an earlier operation
		c.alarm.ring(first - lasted)
	case lasted < timeout:
		c.member.Slow(seq)
		c.alarm.ring(min(lasted, timeout-lasted))
	case c.alarm.asked.IsZero() || c.alarm.askedFor != seq:
		c.member.TimedOut(seq)
		c.awaitVerdict(seq)
	case !c.overdue():
		c.alarm.ring(verdictLook)
	default:
		err := fmt.Errorf("%w after %v and the coordinator has not said why", ErrTimeout, timeout)
		c.control.Fail(&RankError{Rank: c.rank, Err: err})
		c.member.Fail(&RankError{Rank: 0, Err: err})
	}
}

// awaitVerdict notes that the coordinator has been asked what keeps an operation.
func (c *Comm) awaitVerdict(seq uint64) {
	c.alarm.asked, c.alarm.askedFor = time.Now(), seq
	c.alarm.ring(verdictDue)
}

// unanswered reports whether the coordinator still owes the answer to what it was asked
// about an operation that has ended meanwhile; then the alarm has been set for the next
// look. An operation may be late and end well because a rank that hears nobody any more,
// the coordinator itself perhaps, is still heard by others. The next one will not.
func (c *Comm) unanswered() bool {
	if c.alarm.asked.IsZero() || time.Since(c.alarm.asked) > bootstrap.AnswerDue+4*verdictLook || c.member.Broken() != nil {
		return false
	}
	_ = c.overdue()
	c.alarm.ring(verdictLook)
	return true
}

// silentBeats is after how many heartbeats that have not come a coordinator that is due
// to answer is given up.
const silentBeats = 1.5

// overdue reports whether it makes no sense to wait for the coordinator's verdict any
// longer. One from which nothing comes is given up, on all ranks with the same error: at
// once if its heartbeats have not come either, and otherwise, since in the worst of cases
// the last one came just before, when it has said nothing to what it was asked. One that is
// alive has more time.
func (c *Comm) overdue() bool {
	waited := time.Since(c.alarm.asked)
	beat := float64(c.cfg.LostAfter) / beatsBeforeLost
	if waited >= verdictDue && c.control.Desert(time.Duration(silentBeats*beat)) ||
		waited >= bootstrap.AnswerDue && c.control.Desert(waited) {
		return false // the error is on its way
	}
	return waited >= lastResort
}
