package agree

import (
	"time"

	"github.com/monel-dev/monel/internal/awake"
)

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

// arm has a settlement decided in a while, in which this process runs: if it has slept
// (stopped and continued, or without a processor), answers that came are about to be read.
func (c *Coordinator) arm(s *settlement, d time.Duration) {
	s.stop()
	wait := awake.NewWait(d)
	s.wait = &wait
	s.timer = time.AfterFunc(wait.Next(), func() { c.ring(s, &wait) })
}

func (c *Coordinator) ring(s *settlement, wait *awake.Wait) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != s || s.wait != wait { // or it has been armed again meanwhile
		return
	}
	wait.Look()
	if look := wait.Next(); look > 0 {
		s.timer.Reset(look)
		return
	}
	c.decide(s)
}

// stop ends the wait for answers.
func (s *settlement) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}
