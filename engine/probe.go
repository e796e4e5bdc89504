package engine

import (
	"sync/atomic"
	"time"
)

// probe asks the driver now and then about an agent that has been waited for long,
// beside the collective: a call may wait in the driver until a stream has room that
// is full of what waits for this very collective.
type probe struct {
	state atomic.Uint32
	last  atomic.Int64 // when, in nanoseconds
	why   atomic.Pointer[error]
}

// The states of a probe. Whoever comes last, the one that asks or the collective that
// leaves, gives the Run back.
const (
	probeIdle uint32 = iota
	probeBusy
	probeLeft
)

// probeInterval is how often the driver is asked.
const probeInterval = 5 * time.Millisecond

// lost is why the agent will do nothing more, if that is known.
func (t *gate) lost() error {
	p := &t.probe
	if why := p.why.Load(); why != nil {
		return *why
	}
	now := time.Now().UnixNano()
	if now-p.last.Load() < int64(probeInterval) || !p.state.CompareAndSwap(probeIdle, probeBusy) {
		return nil
	}
	p.last.Store(now)
	go func() {
		ended, err := t.run.Ended()
		if ended && err == nil {
			err = errLost
		}
		if err != nil {
			p.why.Store(&err)
		}
		if !p.state.CompareAndSwap(probeBusy, probeIdle) {
			t.run.Release()
		}
	}()
	return nil
}
