// Package record keeps what a rank has done: sums for every collective, and the
// latest operations one by one, as a flight recorder does.
//
// It is on in every program, so it must cost next to nothing beside an operation of a
// few hundred nanoseconds. Whoever calls it holds a lock anyway, so it needs none. A
// call's description is kept once for all operations that share it. And the clock is
// read only where it matters: for an operation of few bytes that is not late, reading
// it takes a twentieth of the time that is to be measured, so most of these are not
// timed, and those that are stand for the others.
package record

import (
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
)

const (
	// timedFrom is from how many bytes on every operation is timed: it takes
	// microseconds then.
	timedFrom = 4 << 10
	// sample is how many of the short operations one stands for that is timed.
	sample = 16
)

// Operation is one operation that is over.
type Operation struct {
	agree.Ended
	Call   *agree.Call   // shared, not to be changed
	Lasted time.Duration // 0 if it was not timed
}

// Totals are sums over the operations of one collective.
type Totals struct {
	Calls, Failures, Restarts uint64
	Bytes                     uint64        // of the tensors
	Timed                     uint64        // operations that Time and Latency are about
	Time                      time.Duration // that they took
	Latency                   [Buckets]uint64
}

// described is a call and what follows from it.
type described struct {
	call  *agree.Call
	bytes int64
	sums  *Totals
}

// described calls are remembered by their signature, in so many places.
const places = 64

// Recorder implements agree.Recorder. All its methods are called under the lock of
// the member that it is attached to.
type Recorder struct {
	born  time.Time
	known [places]described
	sums  [256]*Totals // by agree.Collective

	most    int // operations to keep
	ring    []Operation
	next    int // where the next goes, once the ring is full
	observe func(op *Operation)
}

// New returns a recorder that keeps so many operations. If observe is not nil, every
// operation is timed and told to it, with a value that is valid during the call.
func New(history int, observe func(op *Operation)) *Recorder {
	return &Recorder{most: history, observe: observe}
}

// Attach begins to record a member's operations.
func (r *Recorder) Attach(m *agree.Member) { r.born = m.Watch(r) }

// Born is the moment from which operations count time.
func (r *Recorder) Born() time.Time { return r.born }

// Record is told of an operation that is over.
func (r *Recorder) Record(call *agree.Call, e agree.Ended) {
	d := &r.known[call.Sig%places]
	if d.call == nil || d.call.Sig != call.Sig || d.call.Kind != call.Kind {
		r.describe(d, call)
	}
	s := d.sums
	s.Calls++
	var lasted time.Duration
	if weight := r.weight(d, &e); weight > 0 {
		lasted = time.Since(r.born) - e.Began
		if e.Err == nil {
			s.time(lasted, weight)
		}
	}
	if e.Err == nil && e.Attempt == 0 {
		s.Bytes += uint64(d.bytes)
	} else {
		s.unusual(d, &e)
	}
	if op := r.place(); op != nil {
		op.Seq, op.Attempt, op.Late, op.Began = e.Seq, e.Attempt, e.Late, e.Began
		op.Lasted = lasted
		// Pointers cost more to write than to compare.
		if op.Call != d.call {
			op.Call = d.call
		}
		if op.Err != nil || e.Err != nil {
			op.Err = e.Err
		}
	}
	if r.observe != nil {
		r.observe(&Operation{Ended: e, Call: d.call, Lasted: lasted})
	}
}

// weight is how many operations the time of this one stands for; 0 if it is not to
// be timed.
func (r *Recorder) weight(d *described, e *agree.Ended) uint64 {
	switch n := d.sums.Calls; {
	case d.bytes >= timedFrom, n <= sample, e.Late, e.Err != nil, r.observe != nil:
		return 1
	case n%sample == 0:
		return sample
	}
	return 0
}

// time adds to the sums what an operation took.
func (t *Totals) time(lasted time.Duration, weight uint64) {
	t.Timed += weight
	t.Time += lasted * time.Duration(weight)
	t.Latency[bucketOf(lasted)] += weight
}

// unusual counts an operation that has failed or was restarted.
func (t *Totals) unusual(d *described, e *agree.Ended) {
	t.Restarts += uint64(e.Attempt)
	if e.Err != nil {
		t.Failures++
	} else {
		t.Bytes += uint64(d.bytes)
	}
}

// describe keeps a copy of a call that is not the one remembered at its place.
func (r *Recorder) describe(d *described, call *agree.Call) {
	c := *call
	d.call, d.bytes = &c, c.Bytes()
	if r.sums[c.Kind] == nil {
		r.sums[c.Kind] = new(Totals)
	}
	d.sums = r.sums[c.Kind]
}

// place is where the next operation is to be kept, nil if none is.
func (r *Recorder) place() *Operation {
	if r.most == 0 {
		return nil
	}
	if len(r.ring) < r.most {
		r.ring = append(r.ring, Operation{})
		return &r.ring[len(r.ring)-1]
	}
	op := &r.ring[r.next]
	if r.next++; r.next == r.most {
		r.next = 0
	}
	return op
}

// Operations returns a copy of what is kept, oldest first.
func (r *Recorder) Operations() []Operation {
	return append(append([]Operation(nil), r.ring[r.next:]...), r.ring[:r.next]...)
}

// Totals calls f with a copy of the sums of each collective that was called, in the
// order of their numbers.
func (r *Recorder) Totals(f func(kind agree.Collective, t Totals)) {
	for kind, t := range r.sums {
		if t != nil {
			f(agree.Collective(kind), *t)
		}
	}
}
