package tcp

import (
	"time"

	"github.com/monel-dev/monel/transport/internal/processor"
)

// spin decides how long to poll before sleeping. Polling pays when what is
// waited for usually comes sooner than a sleeper could be woken; a core that
// polls in vain is taken from those that have work. So success decides: while
// polls succeed they go on, when they keep failing waits go to sleep at once,
// and now and then one is polled to see whether times have changed.
//
// Perhaps the very rank that is waited for needs the core: with more ranks than
// cores, or where the system has put two on one. So looks in vain give way to
// whoever is ready to run, which is cheaper than sleeping and being woken: every
// look where ranks share cores, else those of longer waits.
type spin struct {
	limit   time.Duration
	crowded bool
	score   int // what polls may still fail before they end
	slept   int // waits since one was last polled
	sharing processor.Sharing
}

const (
	spinScore = 8  // the highest score; every success adds 1
	spinFine  = 2  // what a failure costs
	spinProbe = 32 // without a score, one wait in so many is polled
)

const (
	// yieldAfter is how long a poller keeps its core. Then it gives way at every
	// look.
	yieldAfter = 10 * time.Microsecond
	// goschedAfter is how long a poller keeps its thread. Then it lets other
	// goroutines run once: perhaps no thread does while this one polls. Not sooner,
	// since the runtime then wakes one more thread to look for work, which takes a
	// core from some rank for longer than a message takes.
	goschedAfter = 120 * time.Microsecond
	// otherTime is how long giving way takes at least when somebody else runs.
	otherTime = 2 * time.Microsecond
)

// crowdedPatience is how many times longer a poller looks that gives way at
// every look: it costs others little, and others' turns count as its time.
const crowdedPatience = 5

func newSpin(limit time.Duration, crowded bool) spin {
	if crowded {
		limit *= crowdedPatience
	}
	return spin{limit: limit, crowded: crowded, score: spinScore}
}

// begin says whether the wait that begins now is to be polled.
func (s *spin) begin() bool {
	if s.limit <= 0 {
		return false
	}
	if s.score == 0 && s.slept < spinProbe {
		s.slept++
		return false
	}
	s.slept = 0
	return true
}

func (s *spin) end(success bool) {
	if success {
		s.score = min(s.score+1, spinScore)
	} else {
		s.score = max(s.score-spinFine, 0)
	}
}

// polling is one wait; its zero value is one that has not begun.
type polling struct {
	spin    *spin
	since   time.Time
	over    bool // it has been found not to be worth it, or ended
	yielded bool
	gave    bool // somebody else ran when this last gave way
}

// again is called whenever a look was in vain and says whether to look again.
func (p *polling) again(s *spin) bool {
	if p.over {
		return false
	}
	if p.spin == nil {
		if !s.begin() {
			p.over = true
			return false
		}
		p.spin, p.since = s, time.Now()
		if s.crowded {
			processor.Yield()
		}
		return true
	}
	waited := time.Since(p.since)
	if waited >= s.limit {
		p.over = true
		s.end(false)
		return false
	}
	switch {
	case waited >= goschedAfter && !p.yielded:
		p.yielded = true
		processor.Pass()
	case s.crowded:
		processor.Yield()
	case waited >= yieldAfter:
		before := time.Now()
		processor.Yield()
		p.gave = time.Since(before) > otherTime
	}
	return true
}

// success is called when a look was not in vain.
func (p *polling) success() {
	if p.spin == nil || p.over {
		return
	}
	p.spin.end(true)
	switch {
	case !p.gave:
		p.spin.sharing.Apart()
	case p.spin.sharing.Together():
		processor.Change()
	}
}
