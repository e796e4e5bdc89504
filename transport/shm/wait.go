package shm

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/monel-dev/monel/internal/publish"
	"github.com/monel-dev/monel/transport/internal/processor"
)

// pacing says how a wait goes: first it watches the word for some laps, then it
// gives way to others between laps, then it sleeps.
type pacing struct {
	// laps is the most that a wait watches before it gives way.
	laps int
	// awake bounds how long a wait keeps a thread on a processor that nobody
	// else wants.
	awake time.Duration
	// yields is how often a wait gives way to others that do run before it
	// sleeps: a few times is cheaper than sleeping and being woken when it is
	// the peer that runs.
	yields int
	// moves says that there are processors enough for all ranks of the host, so
	// that one which shares its own with the peer may look for another.
	moves bool
}

var (
	usualPace = pacing{laps: 16, awake: 100 * time.Microsecond, yields: 4}
	// crowdedPace is for ranks that share processors: those who run when one gives
	// way are the ranks it waits for, and to sleep and be woken takes several times
	// as long as a turn of theirs.
	crowdedPace = pacing{laps: 16, awake: time.Millisecond, yields: 128}
)

const (
	lapTime = time.Microsecond // what one lap of watching takes

	// crowdTime is how long giving way takes at least when somebody else ran.
	crowdTime = 2 * time.Microsecond
	// hogTime is how long it takes when that is no other rank in a wait like
	// this, but somebody with work of his own. Then sleeping is better: whoever
	// is woken goes before those who have been running all the time.
	hogTime = 100 * time.Microsecond
	// probeWaits is how often a wait that would not watch at all does so.
	probeWaits = 64
)

// napTime bounds one sleep. Nothing correct depends on it, but a peer that
// writes nonsense into the words that say who sleeps cannot make a sleep last
// longer than this after its cause is gone.
var napTime = time.Second

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

// wait returns when *word is no longer old; or with an error when the link
// fails, the mesh is closed or ctx ends, and *word is still old then.
func (e *end) wait(ctx context.Context, word *atomic.Uint32, old uint32) error {
	p := (*uint32)(unsafe.Pointer(word))
	if e.watch(p, old) {
		return nil
	}
	start := time.Now()
	asked := false // other goroutines of this process have had their turn
	for now, yields := start, 0; yields < e.pace.yields && now.Sub(start) < e.pace.awake; now = time.Now() {
		if err := e.cut(ctx, word, old); err != nil || word.Load() != old {
			return err
		}
		if !asked && (e.goFirst || now.Sub(start) > e.pace.awake/2) {
			asked = true
			processor.Pass()
			if e.goFirst = word.Load() != old; e.goFirst {
				e.laps /= 2
				return nil
			}
			now = time.Now()
		}
		processor.Yield()
		took := time.Since(now)
		if word.Load() != old {
			e.laps /= 2 // it was the peer that wanted this processor
			if took > crowdTime && e.pace.moves && e.sharing.Together() {
				processor.Change()
			}
			return nil
		}
		if took > hogTime {
			break
		} else if took > crowdTime {
			if yields++; yields == 1 {
				e.laps /= 2
			}
			continue
		}
		if spin(p, old, e.lap) {
			e.laps = min(e.laps+1, e.pace.laps)
			e.sharing.Apart()
			return nil
		}
	}
	if !asked {
		processor.Pass()
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
			laps = e.pace.laps
		}
	}
	for range laps {
		if spin(p, old, e.lap) {
			e.laps = min(e.laps+1, e.pace.laps)
			e.sharing.Apart()
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
	for nap := publish.Settled; ; nap = napTime {
		// The peer publishes the word and then looks at sleeps; this side the other
		// way round. Each may miss what the other has written a moment ago, so this
		// one looks again when that is settled; what is written later is not missed.
		e.sleeps.Store(1)
		if word.Load() != old {
			return nil
		}
		if err := e.cut(ctx, word, old); err != nil || word.Load() != old {
			return err
		}
		futexWait(e.sleeps, 1, min(nap, napTime))
	}
}

// wake wakes the side whose word this is, if it sleeps.
func wake(sleeps *atomic.Uint32) {
	if sleeps.Load() != 0 {
		wakeUp(sleeps)
	}
}

func wakeUp(sleeps *atomic.Uint32) {
	if sleeps.Swap(0) != 0 {
		futexWake(sleeps)
	}
}
