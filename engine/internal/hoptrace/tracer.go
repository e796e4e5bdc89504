// Package hoptrace records the hops of a rank, when each chunk was waited for, worked
// on and passed on, and writes them as a timeline.
//
// It stands between the executor and the wires: Mesh wraps a transport's, so that a
// communicator without a trace has nothing in its way at all.
package hoptrace

import (
	"sync"
	"time"
)

// Kind says what an event is about.
type Kind uint8

// The kinds of events.
const (
	Sent      Kind = iota // a chunk, from the wait for a slot to its commit
	Received              // a chunk, from the wait for it to its release
	Operation             // a whole collective
	Messages              // those of one call or group
)

// Label tells a chunk from all others of its link.
type Label struct {
	Seq            uint64
	Attempt, Index uint32
}

// Event is a hop's end at one rank, or an operation. Times count from the tracer's
// start.
type Event struct {
	Kind  Kind
	Peer  int32  // the rank at the other end
	Apart bool   // on a link of messages
	Bytes int64  // of payload; of the tensor
	Name  string // of an operation
	Label
	// Began is when the rank began to wait, Had when it had the slot or the chunk, and
	// Ended when it had passed it on or released it.
	Began, Had, Ended time.Duration
}

// Tracer keeps a rank's latest events. Its methods may be called from any goroutine.
type Tracer struct {
	start time.Time

	mu     sync.Mutex
	most   int
	events []Event
	next   int // where the next goes, once there are most of them
}

// New returns a tracer that keeps so many events, at least one.
func New(most int, start time.Time) *Tracer { return &Tracer{start: start, most: most} }

// Start is the moment from which events count time.
func (t *Tracer) Start() time.Time { return t.start }

func (t *Tracer) now() time.Duration { return time.Since(t.start) }

// Add keeps an event, in place of the oldest if there are too many.
func (t *Tracer) Add(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.events) < t.most {
		t.events = append(t.events, e)
		return
	}
	t.events[t.next] = e
	if t.next++; t.next == t.most {
		t.next = 0
	}
}

// Events returns a copy of what is kept, in the order in which it ended.
func (t *Tracer) Events() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(append([]Event(nil), t.events[t.next:]...), t.events[:t.next]...)
}
