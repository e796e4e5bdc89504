package faults

import (
	"sync"
	"time"
)

// stoodStill is how long a machine may stand still, or this process be stopped, in a trial
// about which something is concluded from time: agents that run on the same processors
// were as late, through no fault of their own.
const stoodStill = 250 * time.Millisecond

const standstillTick = 20 * time.Millisecond

// standstill notices when this process did not run although it should have.
type standstill struct {
	quit, over chan struct{}

	mu   sync.Mutex
	gaps []gap
}

type gap struct {
	until time.Time
	took  time.Duration
}

func newStandstill() *standstill {
	s := &standstill{quit: make(chan struct{}), over: make(chan struct{})}
	go func() {
		defer close(s.over)
		tick := time.NewTicker(standstillTick)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-s.quit:
				return
			case <-tick.C:
			}
			now := time.Now()
			s.note(now, now.Sub(last)-standstillTick)
			last = now
		}
	}()
	return s
}

func (s *standstill) note(now time.Time, late time.Duration) {
	if late < standstillTick {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps = append(s.gaps, gap{now, late})
}

// since is for how long the machine stood still at most, at one time, since then.
func (s *standstill) since(then time.Time) (longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.gaps {
		if g.until.After(then) {
			longest = max(longest, g.took)
		}
	}
	return longest
}

func (s *standstill) stop() {
	close(s.quit)
	<-s.over
}
