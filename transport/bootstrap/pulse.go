package bootstrap

import (
	"sync"
	"time"
)

// pulse notices when this process stood still: was stopped and continued, was suspended
// with its machine, or got no processor. What it finds then has not happened in the order in
// which it finds it.
//
// The coordinator has one, since it settles who is at fault. A member that hears nothing
// from it does not say since when, and gives it up after less than a heartbeat; so only
// the coordinator itself can know that it was silent.
type pulse struct {
	ticker *time.Ticker
	tick   time.Duration
	quit   chan struct{}

	mu   sync.Mutex
	last time.Time // when this process was last seen to run
	woke time.Time // when it last did after it had stood still
}

// pulseTick is how often the process is looked at, or twice a heartbeat. One that was not
// seen to run for twice as long stood still.
const pulseTick = 100 * time.Millisecond

func newPulse(beat time.Duration) *pulse {
	tick := max(pulseTick/4, min(pulseTick, beat/2))
	return &pulse{ticker: time.NewTicker(tick), tick: tick, quit: make(chan struct{}), last: time.Now()}
}

// run looks until quit is closed.
func (p *pulse) run() {
	defer p.ticker.Stop()
	for {
		select {
		case <-p.ticker.C:
			p.stoodStill(0)
		case <-p.quit:
			return
		}
	}
}

// stoodStill reports whether the process stood still until so long ago at most. A nil pulse
// knows of nothing.
func (p *pulse) stoodStill(ago time.Duration) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.last) > 2*p.tick {
		p.woke = now
	}
	p.last = now
	return !p.woke.IsZero() && now.Sub(p.woke) <= ago
}

// justNow is how long after a standstill what is read may have come in the course of it.
const justNow = 300 * time.Millisecond
