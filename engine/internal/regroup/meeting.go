package regroup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/transport"
)

const (
	// firstProbe is when a leader first looks whether ranks that have not come can
	// still come, and probeEvery how often then.
	firstProbe = 100 * time.Millisecond
	probeEvery = 500 * time.Millisecond
	// probedAtOnce is how many are looked after at a time.
	probedAtOnce = 4
	// lateTime is for how long ranks that come too late to a meeting are told how it
	// has failed.
	lateTime = 10 * time.Second
	// toldTime is how long a leader waits until its answers have been passed on, so
	// that its process does not end before. A rank that is lost now has it wait in vain.
	toldTime = 250 * time.Millisecond
)

// Meeting is one meeting as its leader sees it.
type Meeting struct {
	Topic   string
	Members []int  // who takes part; the leader first
	Call    string // this rank's, and so all others'
	Own     []byte // this rank's

	Round int // see Proposal

	// Once says that nobody will meet under this topic again.
	Once bool
	// Seq and Broken are for the error if calls differ; see agree.NewMismatch.
	Seq    uint64
	Broken bool

	// Gone says why a rank cannot come any more, or returns nil. It may take a
	// moment.
	Gone func(ctx context.Context, rank int) error
	// Differ looks at the proposals of those who call something else, and returns a
	// better reason for that, or nil. It may be nil, and may take a moment.
	Differ func(ctx context.Context, others []Proposal) error
	// Decide makes the answers, in the order of Members, of what each calls its own.
	Decide func(own [][]byte) ([]Answer, error)
}

// Lead holds a meeting and returns the leader's own answer, or the error that all
// members get. It ends with ctx; a cause of its end that names a rank is told to all.
func (h *Hall) Lead(ctx context.Context, m *Meeting) (Answer, error) {
	h.mu.Lock()
	if h.shut {
		h.mu.Unlock()
		return Answer{}, h.closedError()
	}
	t := h.topic(m.Topic)
	if a, ok := t.pay(h.self, &Proposal{Call: m.Call, Members: m.Members, Round: m.Round}); ok {
		h.mu.Unlock()
		return Answer{}, a.Err
	}
	t.failed = nil // who is late for that is in time for this
	t.led, t.left = true, nil
	h.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lost := make(chan error, 1)
	probe := time.NewTimer(firstProbe)
	defer probe.Stop()
	var probed chan struct{} // closed when a look has ended
	var turn int             // whose turn it is to be looked after
	for {
		h.mu.Lock()
		shut, changed := h.shut, t.changed
		missing := t.missing(m)
		left := slices.DeleteFunc(slices.Clone(t.left), func(d departure) bool { return !slices.Contains(missing, d.rank) })
		var err error
		stuck, others := conflict(t.visits, m)
		switch {
		case shut:
			err = h.closedError()
		case len(stuck) > 0:
			err = mismatch(m.Seq, m.Broken, stuck)
		case len(missing) == 0:
			visits := t.take(h, m)
			h.mu.Unlock()
			return h.decide(m, t, visits)
		}
		h.mu.Unlock()
		if len(stuck) > 0 && m.Differ != nil && !shut {
			if better := m.Differ(ctx, others); better != nil {
				err = better
			}
		}
		if err == nil && len(left) > 0 {
			if err = left[0].why; err == nil {
				err = m.Gone(ctx, left[0].rank)
			}
			if err == nil {
				err = &transport.RankError{Rank: left[0].rank, Err: fmt.Errorf("%w: it came and gave up", transport.ErrAborted)}
			}
		}
		if err == nil {
			select {
			case <-changed:
				continue
			case err = <-lost:
			case <-ctx.Done():
				err = ended(ctx, m, missing)
			case <-probe.C:
				if probed != nil {
					<-probed
				}
				probed = make(chan struct{})
				go func(done chan struct{}, turn int) {
					defer close(done)
					for i := range min(len(missing), probedAtOnce) {
						if err := m.Gone(ctx, missing[(turn+i)%len(missing)]); err != nil {
							select {
							case lost <- err:
							default:
							}
							return
						}
					}
				}(probed, turn)
				turn += probedAtOnce
				probe.Reset(probeEvery)
				continue
			}
		}
		cancel()
		if probed != nil {
			<-probed
		}
		return Answer{}, h.fail(m, t, err, stuck)
	}
}

// missing lists the members that have not come; the hall's mutex is held.
func (t *topic) missing(m *Meeting) (missing []int) {
	here := map[int]bool{}
	for _, v := range t.visits {
		here[v.from] = here[v.from] || !v.proposal.Notice && v.proposal.Call == m.Call
	}
	for _, rank := range m.Members[1:] {
		if !here[rank] {
			missing = append(missing, rank)
		}
	}
	return missing
}

// take makes the members' visits ready to be answered, and returns them in the order
// of Members; the leader has none. The hall's mutex is held.
func (t *topic) take(h *Hall, m *Meeting) []*Visit {
	visits := make([]*Visit, len(m.Members))
	for _, v := range slices.Clone(t.visits) {
		if i := slices.Index(m.Members, v.from); i > 0 && visits[i] == nil && !v.proposal.Notice && v.proposal.Call == m.Call {
			h.remove(v)
			v.taken = true
			visits[i] = v
		}
	}
	return visits
}

// decide gives everybody the answer.
func (h *Hall) decide(m *Meeting, t *topic, visits []*Visit) (Answer, error) {
	own := make([][]byte, len(m.Members))
	own[0] = m.Own
	for i, v := range visits {
		if v != nil {
			own[i] = v.proposal.Own
		}
	}
	answers, err := m.Decide(own)
	if err != nil {
		answers = make([]Answer, len(m.Members))
		for i := range answers {
			answers[i].Err = err
		}
	}
	for i, v := range visits {
		if v != nil {
			v.answer <- answers[i]
		}
	}
	h.leave(m, t)
	awaitTold(visits)
	return answers[0], err
}

// fail tells those who call the same, or are stuck like them, why there is no answer,
// those who come later included.
func (h *Hall) fail(m *Meeting, t *topic, err error, stuck []call) error {
	if len(stuck) == 0 {
		stuck = []call{{text: m.Call}}
	}
	h.mu.Lock()
	visits := h.dismiss(t, err, stuck, m)
	// A meeting of which there is but one has no other attempt for latecomers.
	if h.shut || !m.Once && !errors.Is(err, agree.ErrMismatch) {
		t.failed = nil // who is late for this may be in time for another attempt
	}
	h.mu.Unlock()
	h.leave(m, t)
	awaitTold(visits)
	return err
}

// leave ends the meeting.
func (h *Hall) leave(m *Meeting, t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.led = false
	if h.shut {
		return
	}
	h.arbitrate(m.Topic, t)
	if h.topics[m.Topic] == t {
		h.tidy(m.Topic, t)
	}
}

func awaitTold(visits []*Visit) {
	timer := time.NewTimer(toldTime)
	defer timer.Stop()
	for _, v := range visits {
		if v == nil {
			continue
		}
		select {
		case <-v.told:
		case <-timer.C:
			return
		}
	}
}

// ended is the error that all get when the leader's time is up or it gives up.
func ended(ctx context.Context, m *Meeting, missing []int) error {
	cause := context.Cause(ctx)
	var rank *transport.RankError
	var mismatch *agree.MismatchError
	switch {
	case errors.As(cause, &rank), errors.As(cause, &mismatch):
		return cause
	case errors.Is(cause, context.DeadlineExceeded), errors.Is(cause, transport.ErrTimeout):
		return &transport.RankError{Rank: missing[0], Err: fmt.Errorf("%w: %s did not come to it; if they are dead or busy with something else, leave them out",
			transport.ErrTimeout, agree.RankList(missing))}
	}
	return &transport.RankError{Rank: m.Members[0], Err: fmt.Errorf("%w: %w", transport.ErrAborted, cause)}
}
