package faults

import (
	"errors"
	"time"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/transport/bootstrap"
)

// Order is what a campaign tells an agent to do: to be a rank of a communicator until
// the program is over or something fails. It travels as a line of JSON.
type Order struct {
	Trial      int
	Rank, Size int
	ID         string // where the ranks meet; or
	Root       string // an address, and
	Secret     string
	Transport  string
	Seed       uint64 // of the program, the same on all ranks
	Calls      int    // how many; 0: until something fails
	Split      bool   // also call on halves of the communicator
	Shrink     bool   // after a failure, go on with those that are left
	Leave      []int  // ranks that Shrink leaves out when the calls are made; nobody is lost then
	Collect    bool   // collect garbage at the end, and measure what is left

	Timeout, InitTimeout, LostAfter time.Duration

	Death Death         // how this rank ends by itself
	After time.Duration // and when: so long after it has joined, or has got the order
	Early bool          // the latter
}

// Death is how a rank ends.
type Death string

// The deaths.
const (
	Lives  Death = ""
	Exits  Death = "exit"  // os.Exit in the midst of things
	Panics Death = "panic" // a panic in a goroutine that nobody recovers
)

// Event is what an agent tells, as a line of JSON.
type Event struct {
	Trial  int
	At     Stage
	Calls  int    // made so far
	Wrong  int64  // values that were wrong
	Phase  string // what the rank was doing when it failed
	Part   bool   // on a part of the communicator
	Error  string
	Named  int           // the rank that the error names, by the numbers of the whole job; -1 for none
	Cause  Cause         // what the error wraps
	Reason string        // what all ranks must say alike
	Took   time.Duration // for what the stage is about
	Left   []int         // ranks of the shrunk communicator

	// When all is closed: goroutines more than before, descriptors, and bytes in use if
	// garbage was collected.
	Goroutines, Descriptors int
	Heap                    int64
}

// Stage is what has happened to an agent.
type Stage string

// The stages.
const (
	Joined Stage = "joined" // the communicator stands
	Dying  Stage = "dying"  // the rank is about to end
	Failed Stage = "failed" // a call has returned an error
	Shrunk Stage = "shrunk" // those that are left work on, and all results were right
	Closed Stage = "closed" // everything is closed: the end of an order
)

// Cause is the sentinel that an error wraps.
type Cause string

// The causes that matter here.
const (
	None       Cause = ""
	PeerLost   Cause = "peer lost"
	TimedOut   Cause = "timed out"
	Mismatched Cause = "mismatch"
	Aborted    Cause = "aborted"
	LeftEarly  Cause = "closed"
	Other      Cause = "other"
)

func causeOf(err error) Cause {
	for _, c := range []struct {
		sentinel error
		cause    Cause
	}{
		{engine.ErrPeerLost, PeerLost}, {engine.ErrTimeout, TimedOut}, {engine.ErrMismatch, Mismatched},
		{engine.ErrAborted, Aborted}, {engine.ErrClosed, LeftEarly},
	} {
		if errors.Is(err, c.sentinel) {
			return c.cause
		}
	}
	if err == nil {
		return None
	}
	return Other
}

// explain puts what an error says into an event. Ranks of a communicator that was made
// of another are given by the other's numbers.
func (e *Event) explain(err error, parents []int) {
	e.Error, e.Named, e.Cause, e.Part = err.Error(), -1, causeOf(err), parents != nil
	var re *engine.RankError
	var world *bootstrap.WorldError
	switch {
	case errors.As(err, &re):
		e.Named, e.Reason = re.Rank, re.Err.Error()
		if re.Rank >= 0 && re.Rank < len(parents) {
			e.Named = parents[re.Rank]
		}
	case errors.As(err, &world):
		e.Reason = world.Text
		if len(world.Ranks) == 1 {
			e.Named = world.Ranks[0]
		}
	}
}
