// Package awake measures waits by the time in which this process runs.
//
// A process that is stopped and continued, suspended with its machine or kept from a
// processor wakes up to timers that are all due and to messages that it has not read.
// What it concludes from others' silence it has to conclude from time in which it could
// have heard them.
package awake

import "time"

// Step is how long a look lasts. A process that comes a Step late to the end of one was not
// awake, and that look does not count.
const Step = 40 * time.Millisecond

// mostLate bounds how many looks of a wait do not count: on a machine where all of them are
// late, a wait ends, too.
const mostLate = 10

// Wait is a wait under way. It is used by one goroutine at a time.
type Wait struct {
	left  time.Duration
	since time.Time
	late  int
}

// NewWait begins a wait of d.
func NewWait(d time.Duration) Wait { return Wait{left: d, since: time.Now()} }

// Next is how long the next look lasts, at the end of which Look is to be called; 0 when
// the wait is over.
func (w *Wait) Next() time.Duration { return max(0, min(w.left, Step)) }

// Look ends a look.
func (w *Wait) Look() {
	now := time.Now()
	look, passed := w.Next(), now.Sub(w.since)
	w.since = now
	if passed >= look+Step && w.late < mostLate {
		w.late++
		w.left = max(w.left, Step) // what has come meanwhile is about to be read
		return
	}
	w.left -= look
}
