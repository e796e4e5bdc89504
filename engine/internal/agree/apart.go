package agree

import "time"

// BeginApart starts an operation that is not in the sequence of those that all ranks
// make, as a message between two of them is not. It ends when the communicator fails,
// by the Stop that it returns, and is over with EndApart. Polls find the rank between
// the operations of the sequence, and are answered accordingly.
func (m *Member) BeginApart(call *Call) (*Stop, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return nil, m.broken
	}
	if m.op.Stop.fired() || m.op.Attempt() != 0 {
		m.op.Stop = newStop(m, 0)
	}
	m.call.set(call)
	m.apart, m.wasLate, m.answered = true, false, false
	m.began.forget()
	m.Stamp()
	return m.op.Stop, nil
}

// EndApart ends what BeginApart has begun, with its result.
func (m *Member) EndApart(result error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.apart = false
	m.record(m.next, 0, m.began.at(m.born), result)
}

// LateApart reports that an operation of BeginApart takes longer than allowed. If a rank
// does not answer the coordinator, the verdict names it; otherwise there is none, since
// only the caller knows whom it waits for.
func (m *Member) LateApart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.apart {
		m.wasLate = true
		m.send((&disputeMsg{key: key{seq: m.next}, reason: reasonApart}).encode())
	}
}

// Answered reports whether the coordinator has said that all ranks answer it, since
// LateApart.
func (m *Member) Answered() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.answered
}

// Apart is how long an operation of BeginApart has lasted; false if none is in
// progress.
func (m *Member) Apart() (lasted time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	began := m.began.at(m.born)
	return time.Since(m.born) - began, m.apart
}
