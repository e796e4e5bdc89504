package agree

import "time"

// Ended is an operation that is over on this rank.
type Ended struct {
	Seq     uint64        // outside of the sequence, the number of the next in it
	Attempt uint32        // the last one's number, from 0
	Late    bool          // it lasted so long that the rank asked whether something was wrong
	Began   time.Duration // since the member was made
	Err     error         // nil if it succeeded
}

// Recorder is told of every operation that is over, in their order. It is called
// under the member's lock, so that it needs none of its own: it must be quick, and
// not call the member. What it gets pointers to is valid during the call only.
type Recorder interface {
	Record(call *Call, e Ended)
}

// Watch attaches a recorder, before the first operation. It returns the moment from
// which the member counts time.
func (m *Member) Watch(r Recorder) (born time.Time) {
	m.recorder = r
	return m.born
}

// record tells the recorder that the operation m.call is over.
func (m *Member) record(seq uint64, attempt uint32, began time.Duration, err error) {
	e := Ended{seq, attempt, m.wasLate, began, err}
	if m.parts != nil {
		m.recordParts(e)
	} else if m.recorder != nil {
		m.recorder.Record(&m.call, e)
	}
}

// refused tells it of an operation that ended where it began.
func (m *Member) refused(seq uint64, call *Call, err error) {
	m.call.set(call) // so that call need not outlive this
	m.wasLate = false
	m.record(seq, 0, time.Since(m.born), err)
}

// InProgress describes the operation in progress.
type InProgress struct {
	Ended
	Call Call
}

// Inspect calls f under the member's lock, so that what the recorder holds can be
// read, with the calls in progress: messages, and those of the operation in the sequence.
// f must not call the member.
func (m *Member) Inspect(f func(now []InProgress)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var now []InProgress
	if a := &m.apart; a.active {
		now = append(now, InProgress{Ended{Seq: a.seq, Began: a.began, Late: a.late}, a.call})
	}
	if m.active {
		op := InProgress{Ended{Seq: m.op.Seq, Attempt: m.op.Attempt(), Began: m.began.at(m.born), Late: m.wasLate}, m.call}
		for _, part := range m.parts {
			op.Call = *part
			now = append(now, op)
			op.Seq++
		}
		if m.parts == nil {
			now = append(now, op)
		}
	}
	f(now)
}

// Next is the number of the next operation in the sequence.
func (m *Member) Next() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.next
}

// Bytes is the size of what a call describes: the tensor, or one block if every rank
// has one, or all blocks if they differ in size; 0 if the call does not say.
// Dimensions beyond those that it spells out are not counted.
func (c *Call) Bytes() int64 {
	bytes := int64(c.DType.Size())
	if c.parts > 0 {
		return bytes * c.shape[0]
	}
	switch c.Kind {
	case Messages:
		return c.shape[sentBytes] + c.shape[receivedBytes]
	case Barrier, AllToAllV:
		return 0
	case AllGatherV:
		elements := int64(0)
		for _, n := range c.described() {
			elements += n
		}
		return bytes * elements
	}
	for _, n := range c.described() {
		bytes *= n
	}
	return bytes
}
