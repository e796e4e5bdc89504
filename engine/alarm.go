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

	// When a verdict on a timeout was asked for, and about which operation; of what it calls.
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
	a := &c.alarm
	if a.overslept() {
		return
	}
	seq, lasted, ok := c.member.Elapsed()
	if !(ok && a.askedFor == seq) && c.unanswered(a) {
		return
	}
	if !ok || c.control == nil { // a rank that is alone has nobody to ask
		a.set.Store(false)
		// One that has begun since may have relied on this alarm.
		if _, _, ok := c.member.Elapsed(); ok && c.control != nil {
			a.arm(c.firstLook())
		}
		return
	}
	timeout := c.cfg.Timeout
	switch first := c.firstLook(); {
	case lasted < first: // set for an earlier operation
		a.ring(first - lasted)
	case lasted < timeout:
		c.member.Slow(seq)
		a.ring(min(lasted, timeout-lasted))
	case a.asked.IsZero() || a.askedFor != seq:
		c.member.TimedOut(seq)
		a.awaitVerdict(seq)
	case !c.overdue(a):
		a.ring(verdictLook)
	default:
		err := fmt.Errorf("%w after %v and the coordinator has not said why", ErrTimeout, timeout)
		c.control.Fail(&RankError{Rank: c.rank, Err: err})
		c.member.Fail(&RankError{Rank: 0, Err: err})
	}
}

// overslept reports whether the alarm rings so late that nothing can be concluded from
// time; then it has been set for another look.
func (a *alarm) overslept() bool {
	if late := a.late(); late > asleep {
		if !a.asked.IsZero() {
			a.asked = time.Now()
		}
		a.ring(verdictDue)
		return true
	} else if late > verdictLook && !a.asked.IsZero() {
		// Where this process gets no processor for so long, nor may the coordinator.
		a.asked = a.asked.Add(late)
	}
	return false
}

// awaitVerdict notes that the coordinator has been asked what keeps an operation.
func (a *alarm) awaitVerdict(seq uint64) {
	a.asked, a.askedFor = time.Now(), seq
	a.ring(verdictDue)
}

// unanswered reports whether the coordinator still owes the answer to what it was asked
// about an operation that has ended meanwhile; then the alarm has been set for the next
// look. An operation may be late and end well because a rank that hears nobody any more,
// the coordinator itself perhaps, is still heard by others. The next one will not.
func (c *Comm) unanswered(a *alarm) bool {
	if a.asked.IsZero() || time.Since(a.asked) > bootstrap.AnswerDue+4*verdictLook || c.member.Broken() != nil {
		return false
	}
	_ = c.overdue(a)
	a.ring(verdictLook)
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
func (c *Comm) overdue(a *alarm) bool {
	waited := time.Since(a.asked)
	beat := float64(c.cfg.LostAfter) / beatsBeforeLost
	if waited >= verdictDue && c.control.Desert(time.Duration(silentBeats*beat)) ||
		waited >= bootstrap.AnswerDue && c.control.Desert(waited) {
		return false // the error is on its way
	}
	return waited >= lastResort
}
