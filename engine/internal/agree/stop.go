package agree

import "time"

// Stop ends the waits of one attempt at an operation. It is a context.Context
// whose Err is the very reason, and which costs nothing to reuse as long as it
// has not fired.
type Stop struct {
	done chan struct{}
	err  error // written once, before done is closed
}

func newStop() *Stop { return &Stop{done: make(chan struct{})} }

// fire is called once, under the member's mutex.
func (s *Stop) fire(err error) {
	s.err = err
	close(s.done)
}

func (s *Stop) fired() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Done is closed when the attempt has to end.
func (s *Stop) Done() <-chan struct{} { return s.done }

// Err says why the attempt has to end, or nil as long as it need not.
func (s *Stop) Err() error {
	if s.fired() {
		return s.err
	}
	return nil
}

// Deadline and Value have nothing to say.
func (s *Stop) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value is part of context.Context.
func (s *Stop) Value(any) any { return nil }
