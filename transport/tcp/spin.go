package tcp

import "time"

// spin decides how long to poll before sleeping. Polling pays when what is
// waited for usually comes sooner than a sleeper could be woken; a core that
// polls in vain is taken from those that have work, on a crowded machine even
// from the peer. So the waits of the recent past decide: if they were short
// enough to be polled through, poll up to the limit, else look once and sleep.
//
// A sleeper's wait also contains the time that waking takes. So that this alone
// does not keep a rank from ever polling again, some waits are polled anyway.
type spin struct {
	limit time.Duration
	mean  time.Duration // moving average of recent waits
	slept int           // waits since the last that was polled
}

const (
	spinMemory = 8  // the number of waits that the average looks back on
	spinProbe  = 32 // one wait in so many is polled anyway
)

// budget returns how long the wait that begins now may poll.
func (s *spin) budget() time.Duration {
	if s.mean <= s.limit || s.slept >= spinProbe {
		s.slept = 0
		return s.limit
	}
	s.slept++
	return 0
}

// observe takes a wait into account, however much of it was slept through. One
// long pause between two operations is not to spoil the next few waits, so it
// counts for no more than a few limits.
func (s *spin) observe(wait time.Duration) {
	s.mean += (min(wait, 4*s.limit) - s.mean) / spinMemory
}
