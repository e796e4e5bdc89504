//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"runtime"
	"time"

	"github.com/monel-dev/monel/transport/internal/processor"
)

// spin decides how long to poll before sleeping. While polls succeed they go on;
// when they keep failing, waits go to sleep at once, and now and then one is polled
// to see whether times have changed.
type spin struct {
	limit   time.Duration
	crowded bool // ranks of this machine share processors
	score   int  // what polls may still fail before they end
	slept   int  // waits since one was last polled
}

const (
	spinScore = 8  // the highest score; every success adds 1
	spinFine  = 2  // what a failure costs
	spinProbe = 32 // without a score, one wait in so many is polled

	// looksPerTime is how many looks share one at the clock, which costs as much where
	// that is a device.
	looksPerTime = 8
	// yieldAfter is how long a poller keeps its core. Then it gives way to whoever
	// is ready to run: with a software adapter, that may be the adapter.
	yieldAfter = 10 * time.Microsecond
	// goschedAfter is how long a poller keeps its thread. Then it lets other
	// goroutines run once.
	goschedAfter = 120 * time.Microsecond
)

func newSpin(limit time.Duration, ranks int) spin {
	if runtime.NumCPU() == 1 {
		limit = -1
	}
	return spin{limit: limit, crowded: !processor.Roomy(ranks), score: spinScore}
}

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

// waiting is one wait; its zero value is one that has not begun.
type waiting struct {
	spin    *spin
	looks   int // in vain
	since   time.Time
	over    bool // it has been found not to be worth it, or ended
	yielded bool
}

// again is called whenever a look was in vain and says whether to look again
// instead of sleeping.
func (w *waiting) again(s *spin) bool {
	if w.over {
		return false
	}
	if w.spin == nil {
		if !s.begin() {
			w.over = true
			return false
		}
		w.spin = s
	}
	w.looks++
	if s.crowded {
		processor.Yield()
	}
	if w.looks%looksPerTime != 0 {
		return true
	}
	if w.since.IsZero() {
		w.since = time.Now()
		return true
	}
	waited := time.Since(w.since)
	if waited >= s.limit {
		w.over = true
		s.score = max(s.score-spinFine, 0)
		return false
	}
	if waited >= goschedAfter && !w.yielded {
		w.yielded = true
		processor.Pass()
	} else if waited >= yieldAfter {
		processor.Yield()
	}
	return true
}

// success is called when what was waited for is there.
func (w *waiting) success() {
	if w.spin != nil && !w.over {
		w.spin.score = min(w.spin.score+1, spinScore)
	}
}
