package agree

import "slices"

// postpone notes a poll that is not answered now: it is about an operation that this rank
// has not called yet, or that ended here because the communicator has failed.
func (m *Member) postpone(k key) {
	if !slices.Contains(m.pending, k) {
		m.pending = append(m.pending, k)
	}
}

// endedByFailure reports whether a call ended here because the communicator has failed.
// Of that call this rank can neither say that it got through, nor that it will take part
// in what the ranks settle about it. Whoever has made the communicator fail tells all
// ranks why, and they are to get that rather than what the coordinator would make of such
// an answer. If it is Close that ended the call, Owes has it tell them. Only a rank that
// went ahead of a verdict has nobody else to tell: its answers show it to the others.
func (m *Member) endedByFailure(p *past) bool {
	return m.broken != nil && !m.ahead && p.sig == 0 && p.invalid == ""
}

// answerPending answers the polls that have waited for the call just made.
func (m *Member) answerPending() {
	waiting := m.pending
	m.pending = nil
	for _, k := range waiting {
		m.onPoll(&pollMsg{key: k})
	}
}

// settled forgets the polls that a verdict makes pointless: all of them if no rank can go
// on. The coordinator does not wait for ever for those that have made no call.
func (m *Member) settled(v *verdictMsg) {
	if v.broken {
		m.pending = nil
		return
	}
	m.pending = slices.DeleteFunc(m.pending, func(k key) bool { return k == v.key })
}

// Owes reports whether the coordinator waits for an answer that this rank has not given.
// If it is to make no call any more, the others have to be told that it fails them.
func (m *Member) Owes() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.pending) > 0
}
