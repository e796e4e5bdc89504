package agree

import "time"

// askNow polls ranks whether they have called the operation or not.
func (c *Coordinator) askNow(s *settlement) {
	c.arm(s, timeoutGrace)
	c.poll(s, true)
}

func (c *Coordinator) poll(s *settlement, now bool) {
	m := (&pollMsg{key: s.key, now: now}).encode()
	for rank := range c.size {
		if s.states[rank].status == statusSilent {
			c.send(rank, m)
		}
	}
}

// arm has a settlement decided in a while. If this process has slept meanwhile (stopped
// and continued), answers that came are about to be read, and it takes the time once more.
func (c *Coordinator) arm(s *settlement, d time.Duration) {
	s.stop()
	s.late = time.Now().Add(2 * d)
	s.timer = time.AfterFunc(d, func() { c.ring(s, d) })
}

func (c *Coordinator) ring(s *settlement, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.current != s:
	case !s.slept && time.Now().After(s.late):
		s.slept = true
		s.timer.Reset(d)
	default:
		c.decide(s)
	}
}

// stop ends the wait for answers.
func (s *settlement) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}
