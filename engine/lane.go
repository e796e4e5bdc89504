package engine

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/cudaffi"
)

// lane is one of a communicator's own streams on a device. Nothing on it waits for
// streams of anybody else, so it always comes to its end. Marks between its work
// tell how far it has come: as a word in pinned memory, which is looked at without
// asking the driver, or as events where streams cannot write words.
type lane struct {
	ctx    *cudaffi.Context
	stream cudaffi.Stream
	opened bool
	word   *uint32 // the last mark that has been reached
	wordAt cudaffi.DevicePtr
	last   uint32 // the last mark set
	values bool
	events []cudaffi.Event // of the marks, where there are no values; mark v's is number v modulo their number
}

func (l *lane) open(g *gpu, word int) (err error) {
	l.word, l.wordAt = g.word(word)
	l.ctx, l.values = g.ctx, g.ctx.HasStreamValues()
	if l.stream, err = g.ctx.NewStream(cudaffi.PriorityHighest); err != nil {
		return err
	}
	l.opened = true
	if l.values {
		return nil
	}
	for range 4 * slotCount { // more than marks that anybody still waits for
		e, err := g.ctx.NewEvent()
		if err != nil {
			return err
		}
		l.events = append(l.events, e)
	}
	return nil
}

// mark puts a mark behind what is on the lane.
func (l *lane) mark() (uint32, error) {
	v := l.last + 1
	var err error
	if l.values {
		err = l.stream.Write32(l.wordAt, v)
	} else {
		err = l.events[v%uint32(len(l.events))].Record(l.stream)
	}
	if err == nil {
		l.last = v
	}
	return v, err
}

// reached reports whether the lane has come to a mark. It may be called by several
// goroutines.
func (l *lane) reached(mark uint32) (bool, error) {
	seen := atomic.LoadUint32(l.word)
	if int32(seen-mark) >= 0 {
		return true, nil
	}
	if l.values {
		return false, nil
	}
	there, err := done(l.ctx, l.events[mark%uint32(len(l.events))])
	for there && int32(seen-mark) < 0 && !atomic.CompareAndSwapUint32(l.word, seen, mark) {
		seen = atomic.LoadUint32(l.word)
	}
	return there, err
}

// done reports whether an event, or all that is on a stream, is done. It may be
// asked while a CUDA graph is being captured somewhere in the process, which
// otherwise would break the capture.
func done(ctx *cudaffi.Context, of interface{ Query() (bool, error) }) (done bool, err error) {
	err = ctx.Do(func() (err error) {
		done, err = of.Query()
		return err
	})
	return done, err
}

// await waits for a mark. It returns the error of stop if that comes first, and
// that of the device if the mark will never be reached.
func (l *lane) await(stop context.Context, mark uint32) error {
	for p := (patience{}); ; p.pause() {
		if done, err := l.reached(mark); done || err != nil {
			return err
		}
		if err := stop.Err(); err != nil {
			return err
		}
		if p.long() {
			// Has the stream ended in an error? Then no mark will come.
			if idle, err := done(l.ctx, l.stream); err != nil {
				return err
			} else if idle {
				if done, err := l.reached(mark); !done && err == nil {
					return errLostMark
				}
			}
		}
	}
}

var (
	errStuck    = errors.New("work on the device does not end")
	errLostMark = errors.New("a stream has nothing left to do and has not written the word that says so")
)

// drain waits until nothing is left on the lane. An error that wraps errStuck says
// that something may be; any other one, that something failed before.
func (l *lane) drain() error {
	if !l.opened {
		return nil
	}
	deadline := time.Now().Add(settleWait)
	failures := 0
	for p := (patience{}); ; p.pause() {
		idle, err := done(l.ctx, l.stream)
		switch {
		case idle || errors.Is(err, cudaffi.ErrSticky):
			return err
		case err != nil:
			if failures++; failures == 3 {
				return errors.Join(errStuck, err)
			}
		case time.Now().After(deadline):
			return errStuck
		}
	}
}

func (l *lane) close() error {
	if !l.opened {
		return nil
	}
	l.opened = false
	var errs []error
	for _, e := range l.events {
		errs = append(errs, release(e.Destroy))
	}
	return errors.Join(append(errs, release(l.stream.Destroy))...)
}

// awaitEvent waits for an event until the deadline.
func awaitEvent(ctx *cudaffi.Context, e cudaffi.Event, deadline time.Time) error {
	for p := (patience{}); ; p.pause() {
		done, err := done(ctx, e)
		switch {
		case done || err != nil:
			return err
		case time.Now().After(deadline):
			return errStuck
		}
	}
}

// patience paces a loop that looks at something: often at first, since to sleep
// costs more than most things take, then ever less.
type patience struct{ looks int }

const (
	eagerLooks = 500
	longestNap = 100 * time.Microsecond
)

// long reports whether the wait has lasted long enough to look more closely.
func (p *patience) long() bool { return p.looks >= eagerLooks }

func (p *patience) pause() {
	p.looks++
	if p.looks < eagerLooks {
		runtime.Gosched()
		return
	}
	time.Sleep(min(longestNap, time.Duration(p.looks-eagerLooks+1)*10*time.Microsecond))
}

// follow makes later work on l wait for what is on o now.
func (l *lane) follow(o *lane) error {
	if done, err := o.reached(o.last); done || err != nil {
		return err
	}
	if l.values {
		return l.stream.Wait32(o.wordAt, o.last)
	}
	return l.stream.Wait(o.events[o.last%uint32(len(o.events))])
}
