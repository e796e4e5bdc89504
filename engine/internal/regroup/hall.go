package regroup

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/transport"
)

// maxVisits bounds the proposals of one rank that wait to be answered.
const maxVisits = 64

// Hall is where other ranks come to agree with this one. Its methods may be called
// from any goroutine.
type Hall struct {
	self int

	mu     sync.Mutex
	topics map[string]*topic
	visits map[int]int // by rank
	shut   bool
}

// topic is what waits for, or is left of, meetings of one name.
type topic struct {
	visits  []*Visit
	failed  *debt         // the last meeting's outcome, if it failed
	changed chan struct{} // closed when the visits change
	led     bool          // a meeting is under way
	left    []departure   // of those who had come to it
}

// debt is what ranks hear that come too late to a meeting which has failed.
type debt struct {
	answer Answer
	round  int
	told   map[int]bool
	until  time.Time
}

// departure is a rank that has left a meeting without an answer, and why if it said so.
type departure struct {
	rank int
	why  error
}

// Visit is a proposal that waits to be answered.
type Visit struct {
	hall     *Hall
	from     int
	proposal Proposal
	answer   chan Answer // room for one
	told     chan struct{}
	once     sync.Once
	taken    bool // it is about to be answered; guarded by the hall
}

// NewHall returns the hall of a rank.
func NewHall(self int) *Hall {
	return &Hall{self: self, topics: map[string]*topic{}, visits: map[int]int{}}
}

// Arrive takes in a proposal of another rank. The answer is to be passed on, and
// Told to be called; or Leave, if the rank has gone.
func (h *Hall) Arrive(from int, p Proposal) *Visit {
	v := &Visit{hall: h, from: from, proposal: p, answer: make(chan Answer, 1), told: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.shut:
		v.reply(Answer{Err: h.closedError()})
		return v
	case h.visits[from] >= maxVisits:
		v.reply(Answer{Err: &transport.RankError{Rank: from, Err: fmt.Errorf("%w: %d of its proposals wait already", transport.ErrProtocol, maxVisits)}})
		return v
	}
	t := h.topic(p.Topic)
	if a, ok := t.pay(from, p.Round); ok {
		v.reply(a)
		h.tidy(p.Topic, t)
		return v
	}
	t.visits = append(t.visits, v)
	h.visits[from]++
	t.wake()
	if !t.led {
		h.arbitrate(t)
	}
	return v
}

// arbitrate answers visitors of whom some call something else than others, although
// this rank takes part in nothing, or not yet.
func (h *Hall) arbitrate(t *topic) {
	groups, _ := group(t.visits, nil)
	if len(groups) < 2 {
		return
	}
	name, round := t.visits[0].proposal.Topic, 0
	for _, v := range t.visits {
		round = max(round, v.proposal.Round)
	}
	err := agree.NewMismatch(0, false, groups)
	h.dismiss(t, err, round)
	h.topics[name] = t
}

// dismiss answers all visitors with an error, and prepares to do so with those who are
// late for the same round.
func (h *Hall) dismiss(t *topic, err error, round int) []*Visit {
	t.failed = &debt{Answer{Err: err}, round, map[int]bool{}, time.Now().Add(lateTime)}
	visits := slices.Clone(t.visits)
	for _, v := range visits {
		t.failed.told[v.from] = true
		h.remove(v)
		if !v.taken {
			v.reply(Answer{Err: err})
		}
	}
	return visits
}

// Owed returns the error which this rank's next meeting under a topic has met already,
// since others disagreed before this one came, or nil.
func (h *Hall) Owed(name string, round int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil {
		return nil
	}
	a, _ := t.pay(h.self, round)
	h.tidy(name, t)
	return a.Err
}

func (h *Hall) topic(name string) *topic {
	t := h.topics[name]
	if t == nil {
		for old, left := range h.topics { // debts that nobody has come for
			h.tidy(old, left)
		}
		t = &topic{changed: make(chan struct{})}
		h.topics[name] = t
	}
	return t
}

func (t *topic) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// pay returns the answer that is owed to a rank which comes in a round of its own.
func (t *topic) pay(rank, round int) (Answer, bool) {
	d := t.failed
	if d == nil || time.Now().After(d.until) {
		t.failed = nil
		return Answer{}, false
	}
	if d.told[rank] || round > d.round {
		return Answer{}, false
	}
	d.told[rank] = true
	return d.answer, true
}

// tidy forgets a topic that nobody needs.
func (h *Hall) tidy(name string, t *topic) {
	if len(t.visits) == 0 && (t.failed == nil || time.Now().After(t.failed.until)) && !t.led {
		delete(h.topics, name)
	}
}

// remove takes a visit off its topic, and reports whether it was there.
func (h *Hall) remove(v *Visit) bool {
	t := h.topics[v.proposal.Topic]
	if t == nil {
		return false
	}
	i := slices.Index(t.visits, v)
	if i < 0 {
		return false
	}
	t.visits = slices.Delete(t.visits, i, i+1)
	if h.visits[v.from]--; h.visits[v.from] == 0 {
		delete(h.visits, v.from)
	}
	t.wake()
	h.tidy(v.proposal.Topic, t)
	return true
}

// Answer yields the leader's answer.
func (v *Visit) Answer() <-chan Answer { return v.answer }

// Told says that the answer has been passed on, or cannot be.
func (v *Visit) Told() { v.once.Do(func() { close(v.told) }) }

// Leave withdraws the proposal, for a reason if one is known. If the answer has been
// decided already, it returns false, and the answer comes.
func (v *Visit) Leave(why error) bool {
	h := v.hall
	h.mu.Lock()
	defer h.mu.Unlock()
	if v.taken {
		return false
	}
	if t := h.topics[v.proposal.Topic]; t != nil && t.led && !v.proposal.Notice {
		t.left = append(t.left, departure{v.from, why})
	}
	h.remove(v)
	v.taken = true
	v.Told()
	return true
}

// reply answers a visit; the hall's mutex is held.
func (v *Visit) reply(a Answer) {
	v.taken = true
	v.answer <- a
}

// Close answers whoever waits, now and later, that this rank has closed the
// communicator, and ends meetings that it leads.
func (h *Hall) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shut = true
	for _, t := range h.topics {
		for _, v := range t.visits {
			if !v.taken {
				v.reply(Answer{Err: h.closedError()})
			}
		}
		t.visits = nil
		t.wake()
	}
	h.topics, h.visits = map[string]*topic{}, map[int]int{}
}

// Closed reports whether Close was called.
func (h *Hall) Closed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.shut
}

func (h *Hall) closedError() error {
	return &transport.RankError{Rank: h.self, Err: fmt.Errorf("%w: it has closed the communicator", transport.ErrClosed)}
}
