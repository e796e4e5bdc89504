package launch

import (
	"os"
	"time"
)

// stopper ends processes step by step: it waits for them to end, asks them to,
// and kills them.
type stopper struct {
	running map[int]*child
	due     <-chan time.Time // when to call next
	timer   *time.Timer
	kill    time.Duration
	asked   bool
}

// arm sets off the sequence, unless it is under way: grace from now the
// processes are asked to end, kill later they are killed.
func (s *stopper) arm(grace, kill time.Duration) {
	if s.timer != nil {
		return
	}
	s.kill = kill
	s.timer = time.NewTimer(grace)
	s.due = s.timer.C
}

// next is the sequence's next step.
func (s *stopper) next() {
	if s.asked || !canAsk {
		s.signal(os.Kill)
		return
	}
	s.asked = true
	s.signal(askToEnd)
	s.timer.Reset(s.kill)
}

// signal sends sig to all processes that still run. One that has just ended
// does not get it, which is no error.
func (s *stopper) signal(sig os.Signal) {
	for _, c := range s.running {
		if canAsk || sig == os.Kill {
			_ = c.cmd.Process.Signal(sig)
		}
	}
}

func (s *stopper) disarm() {
	if s.timer != nil {
		s.timer.Stop()
	}
}
