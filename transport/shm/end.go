package shm

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/internal/processor"
)

// The bits of end.use.
const (
	inUse   = 1 << iota // a call is in progress, or its user holds a slot
	closing             // set for good by the mesh's Close
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

	// use tells Close when the segment is no longer touched.
	use atomic.Uint32

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

// enter makes the segment safe to touch until leave. It fails after Close.
func (e *end) enter() bool { return e.use.CompareAndSwap(0, inUse) }

func (e *end) leave() { e.use.Add(^uint32(inUse - 1)) }

func (e *end) isClosing() bool { return e.use.Load()&closing != 0 }

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
	e.use.Or(closing)
	e.nudge()
}

// free unmaps the segment when nobody touches it any more, or takes it away
// from under a user who has held on to a slot until the deadline.
func (e *end) free(deadline time.Time, grace time.Duration) {
	if e.seg == nil {
		return
	}
	for pause := time.Microsecond; e.use.Load()&inUse != 0 && time.Now().Before(deadline); pause *= 2 {
		time.Sleep(pause)
	}
	e.mu.Lock()
	e.gone = true
	e.mu.Unlock()
	if e.use.Load()&inUse != 0 {
		retire(e.seg.mem, grace)
	} else {
		unmap(e.seg.mem)
	}
}
