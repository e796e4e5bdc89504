package agree

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Stop ends the waits of one attempt at an operation. It is a context.Context
// whose Err is the very reason, and which costs nothing to reuse as long as it
// has not fired.
type Stop struct {
	attempt uint32  // the attempt's number
	member  *Member // to be stamped: who asks for the Stop has to wait; may be nil
	done    chan struct{}
	err     error       // written once, before over is set
	over    atomic.Bool // it has fired: a word is read faster than a channel

	mu    sync.Mutex
	after []*func() // to be called when it fires
}

func newStop(m *Member, attempt uint32) *Stop {
	return &Stop{attempt: attempt, member: m, done: make(chan struct{})}
}

// asked notes that somebody has to wait. Links look at a context only then. Who asks one
// that has fired does not wait, and may be a goroutine that nobody has waited for, such as
// that of a context derived from it: the operation in progress may be a later one by now.
func (s *Stop) asked() {
	if s.member != nil && !s.fired() {
		s.member.Stamp()
	}
}

// fire is called once, under the member's mutex.
func (s *Stop) fire(err error) {
	s.err = err
	s.mu.Lock()
	s.over.Store(true)
	close(s.done)
	after := s.after
	s.after = nil
	s.mu.Unlock()
	for _, f := range after {
		go (*f)()
	}
}

func (s *Stop) fired() bool { return s.over.Load() }

// Done is closed when the attempt has to end.
func (s *Stop) Done() <-chan struct{} {
	s.asked()
	return s.done
}

// Err says why the attempt has to end, or nil as long as it need not.
func (s *Stop) Err() error {
	s.asked()
	if s.fired() {
		return s.err
	}
	return nil
}

// AfterFunc calls f in a goroutine of its own when the attempt has to end. The
// function it returns takes that back, and reports whether f will not be called.
//
// Package context asks for this method when a wait derives a context or is to be
// woken; without it, each would start a goroutine, and with it a thread on a
// processor that a peer could have run on.
func (s *Stop) AfterFunc(f func()) (stop func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fired() {
		go f()
		return func() bool { return false }
	}
	s.after = append(s.after, &f)
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		i := slices.Index(s.after, &f)
		if i < 0 {
			return false
		}
		s.after = slices.Delete(s.after, i, i+1)
		return true
	}
}

// Deadline and Value have nothing to say.
func (s *Stop) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value is part of context.Context.
func (s *Stop) Value(any) any { return nil }
