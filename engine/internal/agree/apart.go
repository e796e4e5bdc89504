package agree

import "time"

// apart is an operation that is not in the sequence of those that all ranks make. One of
// the sequence may be in progress at the same time.
type apart struct {
	active   bool
	stop     *Stop
	call     Call
	seq      uint64        // the next in the sequence when it began
	began    time.Duration // since the member was made
	since    time.Duration // when its patience began: then, or when one of the sequence ended meanwhile
	late     bool          // LateApart has been
	asked    uint64        // then, about this number
	answered bool          // and there was nobody to blame
}

// answer is told that all ranks have answered a poll about an operation.
func (a *apart) answer(seq uint64) {
	a.answered = a.answered || a.active && a.late && seq == a.asked
}

// BeginApart starts an operation that is not in the sequence of those that all ranks
// make, as a message between two of them is not; one of the sequence may go on beside it.
// It ends when the communicator fails, by the Stop that it returns, and is over with
// EndApart. Polls hear nothing of it.
func (m *Member) BeginApart(call *Call) (*Stop, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return nil, m.broken
	}
	a := &m.apart
	if a.stop == nil || a.stop.fired() {
		a.stop = newStop(nil, 0)
	}
	a.call.set(call)
	a.active, a.late, a.answered, a.seq = true, false, false, m.next
	a.began = time.Since(m.born)
	a.since = a.began
	return a.stop, nil
}

// EndApart ends what BeginApart has begun, with its result.
func (m *Member) EndApart(result error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := &m.apart
	a.active = false
	if m.recorder != nil {
		m.recorder.Record(&a.call, Ended{Seq: a.seq, Late: a.late, Began: a.began, Err: result})
	}
}

// LateApart reports that an operation of BeginApart takes longer than allowed. If a rank
// does not answer the coordinator, the verdict names it; otherwise there is none, since
// only the caller knows whom it waits for.
func (m *Member) LateApart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := &m.apart; a.active {
		a.late, a.asked = true, m.next
		m.send((&disputeMsg{key: key{seq: m.next}, reason: reasonApart}).encode())
	}
}

// Answered reports whether the coordinator has said that all ranks answer it, since
// LateApart.
func (m *Member) Answered() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.apart.answered
}

// Apart is how long an operation of BeginApart has lasted, not counting the time before
// the end of the latest one in the sequence that has gone on beside it, on which the other
// ranks may have been busy; false if none is in progress.
func (m *Member) Apart() (lasted time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.active {
		return 0, m.apart.active
	}
	return time.Since(m.born) - m.apart.since, m.apart.active
}
