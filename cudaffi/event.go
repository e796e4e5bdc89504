package cudaffi

import (
	"math"
	"time"
)

const (
	eventDefault       = 0
	eventDisableTiming = 2
)

// Event marks a point in the work of a stream.
type Event struct {
	c      *Context
	handle uintptr
}

// NewEvent makes an event that keeps no time, which is faster.
func (c *Context) NewEvent() (Event, error) { return c.newEvent(eventDisableTiming) }

// NewTimer makes an event that keeps time, for Elapsed.
func (c *Context) NewTimer() (Event, error) { return c.newEvent(eventDefault) }

func (c *Context) newEvent(flags uintptr) (Event, error) {
	f, err := c.enter()
	if err != nil {
		return Event{}, err
	}
	defer f.leave()
	if err := f.call(cuEventCreate, f.outAt, flags); err != nil {
		return Event{}, err
	}
	return Event{c, f.handle()}, nil
}

// Record puts the mark behind what is on the stream now, in place of the
// event's earlier one.
func (e Event) Record(s Stream) error { return e.call(cuEventRecord, s.handle) }

// Query reports whether the stream has passed the mark. An event that was never
// recorded is done.
func (e Event) Query() (done bool, err error) {
	f, err := e.c.enter()
	if err != nil {
		return false, err
	}
	defer f.leave()
	return f.done(cuEventQuery, e.handle)
}

// Sync waits until the stream has passed the mark.
func (e Event) Sync() error { return e.call(cuEventSynchronize) }

// Destroy destroys the event; what waits for its mark still does.
func (e Event) Destroy() error { return e.call(cuEventDestroy) }

// call calls a function whose first argument is the event.
func (e Event) call(fn symbol, args ...uintptr) error {
	f, err := e.c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	var a [2]uintptr
	a[0] = e.handle
	n := 1 + copy(a[1:], args)
	return f.call(fn, a[:n]...)
}

// Elapsed is the time between the marks of two timers, both of which have been
// passed. It counts in half microseconds.
func Elapsed(start, end Event) (time.Duration, error) {
	f, err := start.c.enter()
	if err != nil {
		return 0, err
	}
	defer f.leave()
	if err := f.call(cuEventElapsedTime, f.outAt, start.handle, end.handle); err != nil {
		return 0, err
	}
	ms := math.Float32frombits(uint32(f.number()))
	return time.Duration(float64(ms) * float64(time.Millisecond)), nil
}
