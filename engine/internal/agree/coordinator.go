package agree

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/monel-dev/monel/internal/awake"
	"github.com/monel-dev/monel/transport"
)

const (
	// mismatchGrace is how long the coordinator, once it has seen two calls that
	// differ, waits for ranks that have made none yet. It only makes the error
	// more complete.
	mismatchGrace = 2 * time.Second
	// timeoutGrace is how long it waits for answers after a timeout.
	timeoutGrace = 400 * time.Millisecond
	// slowPause is the least time between two polls about one operation because
	// of slowness.
	slowPause = 500 * time.Millisecond
	// maxGroups bounds what a verdict lists: the smallest groups, in which the
	// mistake most likely is, and the largest.
	maxGroups = 16
	// maxSettled bounds the memory of disputes already settled.
	maxSettled = 256
)

// Coordinator settles disputes, one at a time. It lives on rank 0 beside that
// rank's Member. Its methods may be called from any goroutine.
type Coordinator struct {
	size  int
	chunk int64
	send  func(to int, payload []byte) // must neither block nor call back

	mu      sync.Mutex
	current *settlement
	queue   []disputeMsg
	settled []key
	asked   map[key]time.Time // when slowness was last the reason of a poll
	closed  bool
}

// settlement is one dispute being settled.
type settlement struct {
	key
	reason  reason
	states  []stateMsg // by rank; statusSilent until answered
	missing int
	hurried bool
	timer   *time.Timer
	wait    *awake.Wait // what the timer is left of
}

// NewCoordinator returns a coordinator of size ranks, whose chunks have so many
// bytes, that sends through send, to rank 0 as well.
func NewCoordinator(size int, chunk int64, send func(to int, payload []byte)) *Coordinator {
	return &Coordinator{size: size, chunk: chunk, send: send, asked: map[key]time.Time{}}
}

// Close stops the timers and reports whether a dispute was left unsettled.
// Nothing is sent afterwards.
func (c *Coordinator) Close() (unsettled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	unsettled = c.current != nil || len(c.queue) > 0
	c.closed = true
	if c.current != nil {
		c.current.stop()
	}
	c.current, c.queue = nil, nil
	return unsettled
}

// Handle takes a message from a rank. An error wraps transport.ErrProtocol.
func (c *Coordinator) Handle(from int, payload []byte) error {
	msg, err := decode(payload)
	if err != nil {
		return err
	}
	if from < 0 || from >= c.size {
		return fmt.Errorf("%w: message from rank %d of %d", transport.ErrProtocol, from, c.size)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	switch msg := msg.(type) {
	case *disputeMsg:
		c.onDispute(*msg)
	case *stateMsg:
		c.onState(from, msg)
	default:
		return fmt.Errorf("%w: rank %d sent a message that only the coordinator sends", transport.ErrProtocol, from)
	}
	return nil
}

func (c *Coordinator) onDispute(d disputeMsg) {
	s := c.current
	switch {
	case d.reason < reasonMisfit || d.reason > reasonApart:
	case slices.Contains(c.settled, d.key):
		c.dismiss(d)
	case slices.Contains(c.queue, d):
	case d.reason == reasonSlow && time.Since(c.asked[d.key]) < slowPause:
		// Somebody else has just asked.
	case s == nil:
		c.open(d)
	case s.key == d.key && (s.reason == d.reason || s.reason == reasonTimeout):
		// This is being settled.
	case s.key == d.key && d.reason >= reasonTimeout && (s.reason == reasonSlow || s.reason == reasonApart && d.reason == reasonTimeout):
		s.reason = d.reason // the same question, with a sterner answer
	case s.reason == reasonSlow && d.reason == reasonTimeout:
		// Its verdict ends the communicator, so the other question need not be settled
		// before, nor ever.
		s.stop()
		c.open(d)
	case s.key == d.key && s.reason == reasonMisfit && d.reason == reasonTimeout:
		// The ranks still missing have had all the time there is.
		s.reason = d.reason
		c.askNow(s)
	default:
		c.queue = append(c.queue, d)
		if d.seq < s.seq {
			// A rank that hangs in an earlier operation will not answer about a
			// later one.
			s.stop()
			c.queue = append(c.queue, disputeMsg{key: s.key, reason: s.reason})
			c.current = nil
			c.openNext()
		}
		c.hurry()
	}
}

// dismiss is for a question about what is settled. Who asks whether somebody is silent is
// told that nobody is known to be, since it would take this rank's silence for an answer.
func (c *Coordinator) dismiss(d disputeMsg) {
	if d.reason != reasonApart {
		return
	}
	m := (&verdictMsg{key: d.key, outcome: outcomeCarryOn}).encode()
	for rank := range c.size {
		c.send(rank, m)
	}
}

// hurry ends the wait for ranks that have made no call yet when somebody's time is up,
// be it in another operation.
func (c *Coordinator) hurry() {
	s := c.current
	if s == nil || s.hurried || s.reason != reasonMisfit {
		return
	}
	if slices.ContainsFunc(c.queue, func(d disputeMsg) bool { return d.reason >= reasonTimeout }) {
		s.hurried = true
		c.askNow(s)
	}
}

// openNext opens the queued disputes, those about earlier operations first,
// until one has to wait for answers.
func (c *Coordinator) openNext() {
	for c.current == nil && len(c.queue) > 0 {
		first := 0
		for i, d := range c.queue {
			if d.seq < c.queue[first].seq {
				first = i
			}
		}
		d := c.queue[first]
		c.queue = slices.Delete(c.queue, first, first+1)
		if slices.Contains(c.settled, d.key) {
			c.dismiss(d)
		} else {
			c.open(d)
		}
	}
}

func (c *Coordinator) open(d disputeMsg) {
	s := &settlement{key: d.key, reason: d.reason, states: make([]stateMsg, c.size), missing: c.size}
	c.current = s
	switch d.reason {
	case reasonSlow:
		c.remember(d.key)
		c.askNow(s)
	case reasonTimeout, reasonApart:
		c.askNow(s)
	default:
		c.poll(s, false)
	}
}

// remember notes when a question was asked, and forgets old ones.
func (c *Coordinator) remember(k key) {
	now := time.Now()
	for old, at := range c.asked {
		if now.Sub(at) > slowPause {
			delete(c.asked, old)
		}
	}
	c.asked[k] = now
}

func (c *Coordinator) onState(from int, m *stateMsg) {
	s := c.current
	if s == nil || s.key != m.key || s.states[from].status != statusSilent {
		return
	}
	if m.status < statusInOp || m.status > statusNotYet {
		return
	}
	s.states[from] = *m
	s.missing--
	switch {
	case s.missing == 0:
		c.decide(s)
	case s.timer == nil && s.differ(true):
		c.arm(s, mismatchGrace)
	}
}

// differ reports whether the answers so far show a mismatch. Whether a rank
// that has made no call counts as one depends on the question.
func (s *settlement) differ(missingCounts bool) bool {
	var first *stateMsg
	for i := range s.states {
		st := &s.states[i]
		switch {
		case st.status == statusSilent:
		case st.status == statusNotYet:
			if missingCounts {
				return true
			}
		case st.invalid != "":
			return true
		case st.status == statusDone && st.call.Kind == 0:
			// It is so far ahead that it has forgotten. That is no sign of a
			// disagreement, and the next operation that it waits in would show one.
		case st.call.Kind == 0:
			return true
		case first == nil:
			first = st
		case st.sig != first.sig:
			return true
		}
	}
	return false
}

// walksDiffer reports whether all ranks are in the operation and walk
// differently.
func (s *settlement) walksDiffer() bool {
	differ := false
	for i := range s.states {
		if s.states[i].status != statusInOp {
			return false
		}
		differ = differ || s.states[i].walk != s.states[0].walk
	}
	return differ
}

func (c *Coordinator) decide(s *settlement) {
	v := verdictMsg{key: s.key}
	switch {
	case s.reason == reasonTimeout, s.reason == reasonApart && s.missing > 0:
		v.outcome, v.broken, v.groups = outcomeTimeout, true, s.groups()
	case s.reason == reasonApart:
		v.outcome = outcomeCarryOn
	case !s.differ(s.reason == reasonMisfit) && s.walksDiffer():
		v.outcome, v.walk = outcomeRestart, s.commonWalk(c.chunk)
	case s.reason == reasonSlow && !s.differ(false):
		v.outcome = outcomeCarryOn
	default:
		v.outcome = outcomeMismatch
		s.mismatch(&v)
	}
	s.stop()
	c.current = nil
	if v.outcome != outcomeCarryOn {
		c.settled = append(c.settled, s.key)
		for n := uint64(1); n < uint64(v.numbers); n++ {
			c.settled = append(c.settled, key{seq: s.seq + n})
		}
		c.settled = c.settled[max(0, len(c.settled)-maxSettled):]
	}
	m := v.encode()
	for rank := range c.size {
		c.send(rank, m)
	}
	c.openNext()
}

// mismatch fills in who called what, and whether the ranks are still in step.
func (s *settlement) mismatch(v *verdictMsg) {
	first := -1
	sameCall := true
	v.numbers = 1
	for i := range s.states {
		st := &s.states[i]
		v.numbers = max(v.numbers, uint16(st.call.numbers()))
		// A rank that has finished the operation with its own error is in step
		// with the others; one that has finished it rightly is ahead of them.
		v.broken = v.broken || st.status == statusDone && st.invalid == ""
		if st.status != statusInOp && st.status != statusDone || st.invalid != "" || st.call.Kind == 0 {
			continue
		}
		if first < 0 {
			first = i
		}
		sameCall = sameCall && st.call.Sig == s.states[first].call.Sig
	}
	if seq, ok := s.earlier(); ok && sameCall {
		// The calls agree but not those before them: report the first of these.
		v.seq, v.broken = seq, true
		s.rewind(seq)
	}
	v.groups = s.groups()
}

// earlier finds the first operation before this one about which two ranks
// disagree, as far back as the ranks have told.
func (s *settlement) earlier() (uint64, bool) {
	calls := map[uint64]uint64{}
	found, ok := uint64(0), false
	for i := range s.states {
		for _, p := range s.states[i].before {
			sig, seen := calls[p.seq]
			if !seen {
				calls[p.seq] = p.call.Sig
			} else if sig != p.call.Sig && (!ok || p.seq < found) {
				found, ok = p.seq, true
			}
		}
	}
	return found, ok
}

// rewind replaces the states by those in an earlier operation.
func (s *settlement) rewind(seq uint64) {
	for i := range s.states {
		st := &s.states[i]
		for _, p := range st.before {
			if p.seq == seq {
				st.status, st.call, st.invalid = statusDone, p.call, ""
			}
		}
	}
}

// groups gathers the ranks that gave the same answer, smallest group first.
func (s *settlement) groups() []Group {
	type kind struct {
		status  status
		next    uint64
		sig     uint64
		invalid string
	}
	index := map[kind]int{}
	var groups []Group
	for rank := range s.states {
		st := &s.states[rank]
		k := kind{status: st.status, sig: st.call.Sig, invalid: st.invalid}
		if k.status == statusDone && st.call.Kind != 0 {
			k.status = statusInOp // the same call, wherever they are in it
		}
		if st.status == statusNotYet || st.status == statusDone && st.call.Kind == 0 {
			k.next = st.next
		}
		i, ok := index[k]
		if !ok {
			i = len(groups)
			index[k] = i
			g := Group{status: st.status, next: st.next, Invalid: st.invalid}
			if st.call.Kind != 0 {
				g.Call = st.call.String()
			}
			groups = append(groups, g)
		}
		groups[i].Ranks = append(groups[i].Ranks, rank)
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return cmp.Compare(len(a.Ranks), len(b.Ranks)) })
	if len(groups) > maxGroups {
		groups = append(groups[:maxGroups-1], groups[len(groups)-1])
	}
	return groups
}
