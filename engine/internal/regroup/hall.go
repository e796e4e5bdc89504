package regroup

import (
	"fmt"
	"slices"
	"sync"
	"time"

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
	upshot upshot
	shut   bool
}

// topic is what waits for, or is left of, meetings of one name.
type topic struct {
	visits  []*Visit
	failed  *debt         // the last meeting's outcome, if it failed
	changed chan struct{} // closed when the visits change
	led     bool          // a meeting is under way
	late    bool          // it is awaited that somebody leads
	left    []departure   // of those who had come to it
}

// debt is what ranks hear that come too late to a meeting which has failed.
type debt struct {
	answer Answer
	round  int
	calls  []string     // that have failed
	told   map[int]bool // ranks that have heard of it
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
	case p.GaveUp:
		h.upshot.heard(p.Topic, GivenUp{from, p.Own})
		v.reply(Answer{})
		return v
	case h.visits[from] >= maxVisits:
		v.reply(Answer{Err: &transport.RankError{Rank: from, Err: fmt.Errorf("%w: %d of its proposals wait already", transport.ErrProtocol, maxVisits)}})
		return v
	}
	t := h.topic(p.Topic)
	if a, ok := t.pay(from, &p); ok {
		v.reply(a)
		h.tidy(p.Topic, t)
		return v
	}
	t.visits = append(t.visits, v)
	h.visits[from]++
	t.wake()
	if !t.led {
		h.arbitrate(p.Topic, t)
	}
	return v
}

// arbitrateAfter is how long a rank that others take for a leader has to come and lead:
// it may know better than that they disagree.
const arbitrateAfter = time.Second

// arbitrate sees to it that visitors which wait for each other in vain are answered,
// although this rank takes part in nothing, or not yet.
func (h *Hall) arbitrate(name string, t *topic) {
	if stuck, _ := conflict(t.visits, nil); len(stuck) == 0 || t.late {
		return
	}
	t.late = true
	time.AfterFunc(arbitrateAfter, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		t.late = false
		if h.shut || t.led {
			return
		}
		if stuck, _ := conflict(t.visits, nil); len(stuck) > 0 {
			h.dismiss(t, mismatch(0, false, stuck), stuck, nil)
			h.topics[name] = t
		}
		h.tidy(name, t)
	})
}

// dismiss answers the visitors of some calls, of which the meeting's may be one, with an
// error, and those who wait for them, and prepares to do so with those who are late.
func (h *Hall) dismiss(t *topic, err error, calls []call, m *Meeting) (dismissed []*Visit) {
	d := &debt{answer: Answer{Err: err}, told: map[int]bool{}, until: time.Now().Add(lateTime)}
	for _, c := range calls {
		d.calls = append(d.calls, c.text)
	}
	for _, v := range t.visits {
		if slices.Contains(d.calls, v.proposal.Call) {
			d.round = max(d.round, v.proposal.Round)
		}
	}
	if m != nil {
		d.round, d.told[h.self] = max(d.round, m.Round), true
	}
	for changed := true; changed; {
		changed = false
		for _, v := range slices.Clone(t.visits) {
			if v.proposal.Round <= d.round && d.concerns(v.from, &v.proposal) {
				d.told[v.from], changed = true, true
				h.remove(v)
				v.reply(d.answer)
				dismissed = append(dismissed, v)
			}
		}
	}
	t.failed = d
	return dismissed
}

// concerns reports whether a rank's call is one of those that have failed, or waits for
// ranks that have heard of the failure.
func (d *debt) concerns(rank int, p *Proposal) bool {
	return slices.Contains(d.calls, p.Call) ||
		slices.ContainsFunc(p.Members, func(member int) bool { return member != rank && d.told[member] })
}

// Owed returns the error which a call of this rank's has met already, since others
// disagreed before this one came, or nil.
func (h *Hall) Owed(p *Proposal) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[p.Topic]
	if t == nil {
		return nil
	}
	a, _ := t.pay(h.self, p)
	h.tidy(p.Topic, t)
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

// pay returns the answer that is owed to a rank for its call: that of a meeting which
// has failed, if it is the same or waits for ranks that have heard of the failure.
func (t *topic) pay(rank int, p *Proposal) (Answer, bool) {
	d := t.failed
	if d == nil || time.Now().After(d.until) {
		t.failed = nil
		return Answer{}, false
	}
	if d.told[rank] || p.Round > d.round || !d.concerns(rank, p) {
		return Answer{}, false
	}
	d.told[rank] = true
	return d.answer, true
}

// tidy forgets a topic that nobody needs.
func (h *Hall) tidy(name string, t *topic) {
	if len(t.visits) == 0 && (t.failed == nil || time.Now().After(t.failed.until)) && !t.led && !t.late {
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
