package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// finding is a trial as it was judged.
type finding struct {
	late    bool          // the victim was through before it was struck: no trial
	absent  bool          // the victim had not come yet: nobody can know it but by time
	notice  time.Duration // until the last survivor had returned
	shrink  time.Duration // until the survivors worked on
	shrunk  bool
	failed  bool // somebody has returned an error; else all was done
	hung    bool
	wrong   bool // a wrong value was accepted
	misname bool // another rank was named than the one lost
	slow    bool
	leaks   bool
	faults  []string // what was not as promised
}

func (f *finding) fault(format string, args ...any) {
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
}

// closeTime is how long Close waits for ranks that do not close the communicator; then it
// takes up to a second to free what leads to them.
const closeTime = 10 * time.Second

// early is how much later than others' events that of a rank which ends itself may be
// read, although it was told first.
const early = 100 * time.Millisecond

// missing is how a root that a rank has not come to words it.
const missing = "ranks have come; missing"

// judge compares what the survivors report with what they were promised: each returns
// within the limit with the lost rank's name, or has finished its work rightly.
func judge(t *trial, out *outcome) *finding {
	f := &finding{}
	if t.victim >= 0 && out.struck.IsZero() {
		f.late = true
	}
	reasons := map[string][]int{}
	for _, x := range out.fates {
		if x.rank == t.victim && !f.late {
			judgeVictim(t, x, f)
			continue
		}
		judgeSurvivor(t, out, x, f, reasons)
	}
	if len(reasons) > 1 {
		f.misname = true
		f.fault("survivors say different things: %v", reasons)
	}
	return f
}

// judgeVictim: one that was only out of the way returns once it is back. If it was stopped
// it blames nobody else for that.
func judgeVictim(t *trial, x *fate, f *finding) {
	if t.revive != nil && (x.hung || x.died) {
		f.hung = true
		f.fault("the victim, rank %d, was back and did not return: %s", x.rank, x.stderr)
	}
	for _, e := range x.failed {
		if e.Part && (e.Cause == Aborted || e.Cause == TimedOut || e.Cause == LeftEarly) {
			continue // others gave the part up, or closed it, meanwhile
		}
		if t.stops && e.Named >= 0 && e.Named != t.victim {
			f.fault("the victim, rank %d, in %s, names rank %d (%s): %s", x.rank, e.Phase, e.Named, e.Cause, e.Error)
		}
	}
}

func judgeSurvivor(t *trial, out *outcome, x *fate, f *finding, reasons map[string][]int) {
	switch {
	case x.hung:
		f.hung = true
		f.fault("rank %d hangs (%v)\n%s", x.rank, x.failed, x.stderr)
		return
	case x.died:
		f.fault("rank %d has crashed: %s", x.rank, x.stderr)
		return
	case x.closed.Error != "":
		f.fault("rank %d, when closing or going on: %s", x.rank, x.closed.Error)
	}
	if x.closed.Goroutines > 0 {
		f.leaks = true
		f.fault("rank %d is left with %d goroutines", x.rank, x.closed.Goroutines)
	}
	if f.late || t.victim < 0 {
		if len(x.failed) > 0 {
			f.fault("rank %d failed although nobody was lost: %s", x.rank, x.failed[0].Error)
		}
		return
	}
	if len(x.failed) == 0 { // it had all it needed
		limit := t.limit
		if t.revive != nil {
			limit = max(limit, closeTime+2*noticeTime)
		}
		if took := x.closed.when.Sub(out.struck); took > limit {
			f.slow = true
			f.fault("rank %d closed %v after the loss", x.rank, took)
		}
		if t.Calls == 0 {
			f.fault("rank %d has noticed nothing", x.rank)
		}
		return
	}
	f.failed = true
	for _, e := range x.failed {
		if e.Wrong > 0 {
			f.wrong = true
			f.fault("rank %d: %s", x.rank, e.Error)
			continue
		}
		if e.when.Before(out.struck.Add(-early)) {
			f.fault("rank %d failed before the loss: %s", x.rank, e.Error)
		}
		if e.Part && (e.Cause == Aborted || e.Cause == TimedOut) {
			continue // a part was given up, or not come to, by a rank that the whole has kept
		}
		if e.Named != t.victim || e.Cause != PeerLost && e.Cause != TimedOut {
			f.misname = true
			f.fault("rank %d, in %s, names rank %d (%s): %s", x.rank, e.Phase, e.Named, e.Cause, e.Error)
		}
	}
	first := x.failed[0]
	took, limit := first.when.Sub(out.struck), t.limit
	if strings.Contains(first.Reason, missing) && !out.fates[t.victim].aliveBefore {
		f.absent = true
		limit = t.InitTimeout + noticeTime
	} else {
		if first.Phase != "calls" && t.revive != nil {
			limit = max(limit, t.InitTimeout+noticeTime) // which is what bounds making communicators
		} else {
			f.notice = max(f.notice, took)
		}
		if last := x.failed[len(x.failed)-1]; last.Phase == "calls" && !last.Part {
			reasons[last.Reason] = append(reasons[last.Reason], x.rank)
		}
	}
	if took > limit {
		f.slow = true
		f.fault("rank %d returned %v after the loss, in %s: %s", x.rank, took, first.Phase, first.Error)
	}
	if !t.Shrink || t.Calls > 0 {
		return
	}
	left := slices.DeleteFunc([]int{0, 1, 2, 3, 4, 5, 6, 7}[:t.Size], func(rank int) bool { return rank == t.victim })
	if x.shrunk == nil || !slices.Equal(x.shrunk.Left, left) {
		f.fault("rank %d did not go on with %v", x.rank, left)
		return
	}
	f.shrunk = true
	f.shrink = max(f.shrink, x.shrunk.Took)
}
