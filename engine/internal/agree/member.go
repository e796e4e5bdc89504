package agree

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// Op is one attempt at the operation in progress.
//
// It has four words, which compilers keep in registers; what has more is copied from one
// place in memory to the next, wherever it is handed on.
type Op struct {
	Seq  uint64
	Sig  uint64 // of this call and all before it
	Walk strided.Walk
	Stop *Stop
}

// Attempt is the attempt's number, from 0.
func (op Op) Attempt() uint32 { return op.Stop.attempt }

// Member is one rank's part: its place in the sequence of operations and its
// answers to the coordinator. Begin, Dispute, Restarted and End belong to the
// goroutine that runs the operation, one operation at a time; Handle, Slow,
// TimedOut and Fail may be called from any goroutine.
type Member struct {
	send func(payload []byte) // to the coordinator; must not block
	born time.Time

	mu       sync.Mutex
	next     uint64 // number of the next operation
	active   bool
	op       Op
	call     Call
	parts    []*Call // the calls that it stands for, if those are several; see Together
	apart    apart
	walk     strided.Walk // as this rank would have it
	began    began
	wasLate  bool          // late has been called about op
	recorder Recorder      // of what is over; may be nil
	thaw     chan struct{} // not nil: a poll was answered, leave only with the verdict

	// chain is the fold of the signatures of all calls so far. It is in every
	// signature sent, so that ranks whose broadcasts never met, because they
	// disagree on the root, still find out in their next operation.
	chain uint64

	pending  []key            // polls not answered yet
	early    map[uint64]error // verdicts on operations not called yet
	past     history
	broken   error
	ahead    bool              // of a verdict, which is why it is broken, on this rank alone
	failed   atomic.Bool       // broken is set
	over     chan struct{}     // closed by a verdict that ends the communicator
	common   map[uint64]common // by the signatures whose ranks have walked differently
	remember []uint64          // these, oldest first
}

// NewMember returns the state of a rank that has called nothing yet.
func NewMember(send func(payload []byte)) *Member {
	m := &Member{
		send:   send,
		born:   time.Now(),
		early:  map[uint64]error{},
		common: map[uint64]common{},
		over:   make(chan struct{}),
	}
	m.op.Stop = newStop(m, 0)
	return m
}

// Begin starts the next operation. A non-empty invalid says why this rank's
// arguments were refused: then the operation is over for this rank, the others
// are told why, and Begin returns no error of its own.
func (m *Member) Begin(call *Call, walk strided.Walk, invalid string) (Op, error) {
	op, err := m.Enter(call, walk, invalid)
	m.Stamp()
	return op, err
}

// Enter is Begin but for the time of it: that is when Stamp is called, or when the
// operation first looks at its Stop.
func (m *Member) Enter(call *Call, walk strided.Walk, invalid string) (Op, error) {
	if m.mu.Lock(); m.broken != nil || len(m.early) > 0 || invalid != "" {
		return m.turnedAway(call, walk, invalid)
	}
	op := m.enter(call, walk)
	m.mu.Unlock()
	return op, nil
}

// turnedAway is the rest of Enter if it may not be the usual. It gives the lock back.
func (m *Member) turnedAway(call *Call, walk strided.Walk, invalid string) (Op, error) {
	defer m.mu.Unlock()
	if m.broken != nil {
		m.parts = nil
		return Op{}, m.broken
	}
	seq := m.next
	err := m.takeEarly(seq, call.numbers())
	if err == nil && invalid == "" {
		return m.enter(call, walk), nil
	}
	m.next += call.numbers()
	m.past.add(seq, call, 0, invalid)
	m.rechain()
	if err != nil {
		m.refused(seq, call, err)
		return Op{}, err
	}
	m.send((&disputeMsg{key: key{seq, 0}, reason: reasonMisfit}).encode())
	m.answerPending()
	m.refused(seq, call, fmt.Errorf("%w: %s", transport.ErrInvalid, invalid))
	return Op{}, nil
}

// enter makes the next operation the one in progress.
func (m *Member) enter(call *Call, walk strided.Walk) Op {
	m.walk = walk
	if len(m.common) > 0 {
		walk = m.commonWalk(call.Sig, walk)
	}
	stop := m.op.Stop
	if stop.fired() || stop.attempt != 0 {
		stop = newStop(m, 0)
	}
	op := Op{Seq: m.next, Sig: mix(m.chain, call.Sig), Walk: walk, Stop: stop}
	m.op = op
	m.next += call.numbers()
	m.active, m.thaw, m.wasLate = true, nil, false
	m.began.forget()
	m.call.set(call)
	if len(m.pending) > 0 {
		m.answerPending()
	}
	return op
}

// rechain starts a new chain after an operation that failed on all ranks, so
// that those which disagreed about it agree again.
func (m *Member) rechain() { m.chain = mix(0, m.next) }

// Dispute reports that op does not fit what another rank does. The verdict
// fires op's Stop. A verdict that has overtaken the report is enough.
func (m *Member) Dispute(op Op) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.active && m.op.Seq == op.Seq && m.op.Attempt() == op.Attempt() {
		m.dispute(reasonMisfit)
	}
}

// Elapsed is how long the operation in progress has lasted; false if there is
// none. The number tells it from others.
func (m *Member) Elapsed() (seq uint64, lasted time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	began := m.began.at(m.born)
	return m.op.Seq, time.Since(m.born) - began, m.active
}

// Slow reports that an operation takes long, so that ranks which wait for each
// other in different calls are found.
func (m *Member) Slow(seq uint64) { m.late(seq, reasonSlow) }

// TimedOut reports that an operation takes longer than allowed. The verdict
// fires its Stop.
func (m *Member) TimedOut(seq uint64) { m.late(seq, reasonTimeout) }

func (m *Member) late(seq uint64, why reason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.active && m.op.Seq == seq {
		m.wasLate = true
		m.dispute(why)
	}
}

func (m *Member) dispute(why reason) {
	m.send((&disputeMsg{key: key{m.op.Seq, m.op.Attempt()}, reason: why}).encode())
}

// Restarted returns the attempt that follows one whose Stop fired with
// ErrRestart.
func (m *Member) Restarted() Op {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.op
}

// End finishes the operation with the rank's own result. If a poll was
// answered meanwhile, End waits for the verdict, which takes precedence.
func (m *Member) End(result error) error {
	m.mu.Lock()
	if result == nil && m.thaw == nil {
		m.end(nil)
		m.mu.Unlock()
		return nil
	}
	defer m.mu.Unlock()
	for result == nil && m.thaw != nil {
		stop, thaw := m.op.Stop, m.thaw
		m.mu.Unlock()
		select {
		case <-stop.Done():
			result = stop.Err()
		case <-thaw:
		}
		m.mu.Lock()
	}
	m.end(result)
	return result
}

func (m *Member) end(result error) {
	m.active = false
	if result == nil {
		m.chain = m.op.Sig
		m.past.add(m.op.Seq, &m.call, m.chain, "")
	} else {
		m.rechain()
		m.past.add(m.op.Seq, &m.call, 0, "")
	}
	m.record(m.op.Seq, m.op.Attempt(), m.began.at(m.born), result)
	if m.apart.active {
		m.apart.since = time.Since(m.born)
	}
}

// Fail makes the communicator unusable: the operation in progress ends with
// err, and so does every later one. The first call counts.
func (m *Member) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail(err)
}

func (m *Member) fail(err error) {
	if m.broken == nil {
		m.broken = err
		m.failed.Store(true)
	}
	m.interrupt(err)
	if m.apart.active && !m.apart.stop.fired() {
		m.apart.stop.fire(err)
	}
}

// interrupt ends the operation in progress.
func (m *Member) interrupt(err error) {
	if m.active && !m.op.Stop.fired() {
		m.op.Stop.fire(err)
	}
}

// Broken returns the reason why the communicator is unusable, or nil.
func (m *Member) Broken() error {
	if !m.failed.Load() {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.broken
}

// Over is closed when a verdict has made the communicator unusable on all
// ranks.
func (m *Member) Over() <-chan struct{} { return m.over }

// Handle takes a message from the coordinator. An error wraps
// transport.ErrProtocol and means that the coordinator cannot be trusted.
func (m *Member) Handle(payload []byte) error {
	msg, err := decode(payload)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch msg := msg.(type) {
	case *pollMsg:
		m.onPoll(msg)
	case *verdictMsg:
		m.onVerdict(msg)
	default:
		return transport.ErrProtocol
	}
	return nil
}

func (m *Member) onPoll(p *pollMsg) {
	answer := stateMsg{key: p.key, next: m.next, before: m.past.before(p.seq)}
	switch {
	case m.active && p.seq == m.op.Seq:
		if p.attempt != m.op.Attempt() {
			return // settled already
		}
		if m.thaw == nil {
			m.thaw = make(chan struct{})
		}
		answer.status, answer.call, answer.sig, answer.walk = statusInOp, m.call, m.op.Sig, m.op.Walk
		_, answer.again = m.common[m.call.Sig]
	case p.seq < m.next:
		answer.status = statusDone
		done, ok := m.past.find(p.seq)
		if ok && m.endedByFailure(&done) {
			m.postpone(p.key)
			return
		}
		if ok {
			answer.call, answer.sig, answer.invalid = done.call, done.sig, done.invalid
		}
	case p.now:
		answer.status = statusNotYet
	default:
		m.postpone(p.key)
		return
	}
	m.send(answer.encode())
}

func (m *Member) onVerdict(v *verdictMsg) {
	m.settled(v)
	mine := m.active && v.key == key{m.op.Seq, m.op.Attempt()}
	switch v.outcome {
	case outcomeCarryOn:
		m.apart.answer(v.seq)
		if mine && m.thaw != nil {
			close(m.thaw)
			m.thaw = nil
		}
		return
	case outcomeRestart:
		if !mine || m.op.Stop.fired() {
			return
		}
		m.rememberWalk(v.walk)
		m.thaw = nil
		stop := m.op.Stop
		m.op.Walk = v.walk
		m.op.Stop = newStop(m, stop.attempt+1)
		stop.fire(ErrRestart)
		return
	}
	mismatch := &MismatchError{Seq: v.seq, Groups: v.groups, Broken: v.broken, Err: ErrMismatch}
	if v.outcome == outcomeTimeout {
		mismatch.Err = transport.ErrTimeout
	}
	err := mismatch.asRankError()
	switch {
	case v.broken:
		m.fail(err)
		select {
		case <-m.over:
		default:
			close(m.over)
		}
	case mine:
		m.interrupt(err)
	case v.seq < m.next:
		m.overtaken(v.seq, err)
	}
	// What is one operation elsewhere may be several here.
	for seq := max(v.seq, m.next); m.broken == nil && seq < v.seq+uint64(v.numbers); seq++ {
		m.early[seq] = err
	}
}

// overtaken handles a verdict on an operation that this rank had not called
// when it was polled and has finished since, rightly, as a broadcast's root
// may. The others count the operation as failed; if this rank has not gone
// further it does so, too, and stays in step.
func (m *Member) overtaken(seq uint64, err error) {
	done, ok := m.past.find(seq)
	switch {
	case ok && done.sig == 0: // it failed here, too
	case seq+done.call.numbers() == m.next && !m.active:
		m.rechain()
		m.past.add(seq, &done.call, 0, done.invalid)
	default:
		m.ahead = m.broken == nil
		m.fail(err)
	}
}
