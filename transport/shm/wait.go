package shm

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// The waits of an end, shortest first: it watches the word for some laps, then
// gives way to others between laps, then sleeps.
const (
	lapTime = time.Microsecond // what one lap of watching takes
	maxLaps = 16

	// awakeTime bounds how long a wait keeps a thread on a processor that nobody
	// else wants.
	awakeTime = 100 * time.Microsecond
	// crowdTime is how long giving way takes at least when somebody else ran.
	crowdTime = 2 * time.Microsecond
	// hogTime is how long it takes when that is no other rank in a wait like
	// this, but somebody with work of his own. Then sleeping is better: whoever
	// is woken goes before those who have been running all the time.
	hogTime = 100 * time.Microsecond
	// maxYields is how often a wait gives way to others that run before it
	// sleeps: a few times is cheaper than sleeping and being woken when it is
	// the peer that runs.
	maxYields = 4
	// probeWaits is how often a wait that would not watch at all does so.
	probeWaits = 64

	// napTime bounds one sleep. Nothing correct depends on it; a peer that
	// writes nonsense into the words that say who sleeps cannot make a sleep
	// last longer.
	napTime = time.Second
)

// spinsPerLap is how many looks of spin take lapTime on this machine.
var spinsPerLap = sync.OnceValue(func() uint32 {
	const looks = 500
	var word uint32
	best := time.Hour
	for range 5 {
		start := time.Now()
		spin(&word, 0, looks)
		best = min(best, time.Since(start))
	}
	return uint32(min(max(looks*lapTime/max(best, 1), 1), 10000))
})

// The bits of end.use.
const (
	inUse   = 1 << iota // a call is in progress, or its user holds a slot
	closing             // set for good by the mesh's Close
)

// end is what the two ends of a link have in common.
type end struct {
	peer    *peer
	channel int
	lap     uint32 // looks per lap
	laps    int    // to watch before giving way; adapts
	skipped uint   // waits that did not watch
	goFirst bool   // let other goroutines run first: the peer was one of them

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
	e.lap, e.laps = spinsPerLap(), maxLaps
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

// wait returns when *word is no longer old; or with an error when the link
// fails, the mesh is closed or ctx ends, and *word is still old then.
func (e *end) wait(ctx context.Context, word *atomic.Uint32, old uint32) error {
	p := (*uint32)(unsafe.Pointer(word))
	if e.watch(p, old) {
		return nil
	}
	start := time.Now()
	asked := false // other goroutines of this process have had their turn
	for now, yields := start, 0; yields < maxYields && now.Sub(start) < awakeTime; now = time.Now() {
		if err := e.cut(ctx, word, old); err != nil || word.Load() != old {
			return err
		}
		if !asked && (e.goFirst || now.Sub(start) > awakeTime/2) {
			asked = true
			runtime.Gosched()
			if e.goFirst = word.Load() != old; e.goFirst {
				e.laps /= 2
				return nil
			}
			now = time.Now()
		}
		yieldThread()
		if word.Load() != old {
			e.laps /= 2 // it was the peer that wanted this processor
			return nil
		}
		if took := time.Since(now); took > hogTime {
			break
		} else if took > crowdTime {
			if yields++; yields == 1 {
				e.laps /= 2
			}
			continue
		}
		if spin(p, old, e.lap) {
			e.laps = min(e.laps+1, maxLaps)
			return nil
		}
	}
	if !asked {
		runtime.Gosched()
	}
	return e.sleep(ctx, word, old)
}

// watch is the first part of a wait: it only looks, for as many laps as have
// paid lately. Each success adds one; half of them are dropped when nothing came
// and others wanted the processor. Now and then it tries again.
func (e *end) watch(p *uint32, old uint32) bool {
	laps := e.laps
	if laps == 0 {
		if e.skipped++; e.skipped%probeWaits == 0 {
			laps = maxLaps
		}
	}
	for range laps {
		if spin(p, old, e.lap) {
			e.laps = min(e.laps+1, maxLaps)
			return true
		}
	}
	return false
}

// cut returns why a wait must end, if so.
func (e *end) cut(ctx context.Context, word *atomic.Uint32, old uint32) error {
	err := e.failed()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil && word.Load() != old {
		return nil // what came just before takes precedence
	}
	return err
}

// sleep is wait in the kernel.
func (e *end) sleep(ctx context.Context, word *atomic.Uint32, old uint32) error {
	if ctx.Done() != nil {
		woken := make(chan struct{})
		disarm := context.AfterFunc(ctx, func() {
			e.nudge()
			close(woken)
		})
		defer func() {
			if !disarm() {
				<-woken
			}
		}()
	}
	defer e.sleeps.Store(0)
	for {
		// The peer changes the word and then looks at sleeps; this side the
		// other way round: one of them sees the other's.
		e.sleeps.Store(1)
		if word.Load() != old {
			return nil
		}
		if err := e.cut(ctx, word, old); err != nil || word.Load() != old {
			return err
		}
		futexWait(e.sleeps, 1, napTime)
	}
}

// nudge wakes this end from another goroutine, to look at what has changed.
func (e *end) nudge() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seg != nil && !e.gone {
		wake(e.sleeps)
	}
}

// wake wakes the side whose word this is, if it sleeps.
func wake(sleeps *atomic.Uint32) {
	if sleeps.Load() != 0 && sleeps.Swap(0) != 0 {
		futexWake(sleeps)
	}
}

// close makes this end useless for good and wakes it.
func (e *end) close() {
	e.use.Or(closing)
	e.nudge()
}

// free unmaps the segment when nobody touches it any more, or takes it away
// from under a user who has held on to a slot until the deadline.
func (e *end) free(deadline time.Time) {
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
		retire(e.seg.mem)
	} else {
		unmap(e.seg.mem)
	}
}
