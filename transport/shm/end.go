package shm

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/internal/publish"
	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/processor"
)

// end is what the two ends of a link have in common.
type end struct {
	peer    *peer
	pace    *pacing
	lap     uint32 // looks per lap
	laps    int    // to watch before giving way; adapts, up to pace.laps
	skipped uint   // waits that did not watch
	goFirst bool   // let other goroutines run first: the peer was one of them
	sharing processor.Sharing

	// inUse is 1 while a call is in progress or its user holds a slot, written by the
	// user alone. It tells Close when the segment is no longer touched.
	inUse   atomic.Uint32
	closing atomic.Bool // set for good by Close

	seg *segment
	// sleeps and peerSleeps are in the segment.
	sleeps, peerSleeps *atomic.Uint32
	broken             error // the peer has violated the protocol

	mu   sync.Mutex // held to wake this end from another goroutine
	gone bool       // seg is unmapped
}

func (e *end) bind(seg *segment, sleeps, peerSleeps *atomic.Uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seg, e.sleeps, e.peerSleeps = seg, sleeps, peerSleeps
	e.pace, e.lap, e.laps = &e.peer.mesh.pace, spinsPerLap(), e.peer.mesh.pace.laps
}

// enter makes the segment safe to touch until leave. It fails after Close, which looks at
// inUse once that is settled.
func (e *end) enter() bool {
	publish.Uint32(&e.inUse, 1)
	if e.closing.Load() {
		e.leave()
		return false
	}
	return true
}

func (e *end) leave() { publish.Uint32(&e.inUse, 0) }

func (e *end) isClosing() bool { return e.closing.Load() }

// failed returns why this end is of no more use, if so.
func (e *end) failed() error {
	if e.isClosing() {
		return e.peer.mesh.errClosed()
	}
	if e.broken != nil {
		return e.broken
	}
	return e.peer.lost()
}

// violated makes the link useless, because the peer has written nonsense. If
// the mesh is being closed the segment may no longer be there: that is no fault.
func (e *end) violated(format string, args ...any) error {
	if e.isClosing() {
		return e.peer.mesh.errClosed()
	}
	e.broken = e.peer.errorf("shm: %w: %s", transport.ErrProtocol, fmt.Sprintf(format, args...))
	return e.broken
}

// nudge wakes this end from another goroutine, to look at what has changed.
func (e *end) nudge() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seg != nil && !e.gone {
		wake(e.sleeps)
	}
}

// close makes this end useless for good and wakes it.
func (e *end) close() {
	e.closing.Store(true)
	e.nudge()
}

// free unmaps the segment when nobody touches it any more, or takes it away
// from under a user who has held on to a slot until the deadline. close was called
// publish.Settled ago or earlier.
func (e *end) free(deadline time.Time, grace time.Duration) {
	if e.seg == nil {
		return
	}
	for pause := time.Microsecond; e.inUse.Load() != 0 && time.Now().Before(deadline); pause *= 2 {
		time.Sleep(pause)
	}
	e.mu.Lock()
	e.gone = true
	e.mu.Unlock()
	if e.inUse.Load() != 0 {
		retire(e.seg.mem, grace)
	} else {
		unmap(e.seg.mem)
	}
}
