package agree

import (
	"errors"
	"fmt"
	"strings"

	"github.com/monel-dev/monel/transport"
)

// ErrMismatch is what every MismatchError unwraps to.
var ErrMismatch = errors.New("ranks disagree")

// ErrRevoked is why a communicator that a rank has revoked cannot be used.
var ErrRevoked = errors.New("communicator revoked")

// ErrRestart ends an attempt whose ranks agree in everything but the walking
// order: the operation starts again in one that all ranks follow. It never reaches
// users.
var ErrRestart = errors.New("restart in a common order")

// status is where a rank stands in the operation that is polled.
type status uint8

const (
	statusSilent status = iota // has not answered
	statusInOp                 // is in it and stays until the verdict
	statusDone                 // had finished it
	statusNotYet               // has not called it
)

// Group is a set of ranks that made the same call.
type Group struct {
	Ranks   []int
	Call    string // the call, spelled out; "" if they made none
	Invalid string // why the call's arguments were refused, or ""

	status status
	next   uint64
}

func (g *Group) describe() string {
	who := RankList(g.Ranks)
	switch {
	case g.status == statusSilent:
		return who + " did not answer"
	case g.status == statusNotYet:
		return fmt.Sprintf("%s had not called it, being at operation %d", who, g.next)
	case g.Invalid != "":
		return fmt.Sprintf("%s passed invalid arguments (%s)", who, g.Invalid)
	case g.Call == "":
		return fmt.Sprintf("%s had moved on to operation %d", who, g.next)
	}
	return fmt.Sprintf("%s called %s", who, g.Call)
}

// MismatchError reports that the ranks of one operation made different calls,
// or that some made none in time. It unwraps to ErrMismatch or
// transport.ErrTimeout.
type MismatchError struct {
	Seq    uint64  // the operation's number on the communicator, from 0
	Groups []Group // who called what; more than one
	Broken bool    // the communicator cannot be used any more
	Err    error   // ErrMismatch or transport.ErrTimeout
}

func (e *MismatchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "operation %d: %v: ", e.Seq, e.Err)
	for i := range e.Groups {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(e.Groups[i].describe())
	}
	if e.Broken {
		b.WriteString(" (the communicator cannot be used any more)")
	} else {
		b.WriteString(" (the communicator stays usable)")
	}
	return b.String()
}

// Unwrap returns ErrMismatch or transport.ErrTimeout.
func (e *MismatchError) Unwrap() error { return e.Err }

// asRankError names one rank to look at first: one whose arguments were refused, or one
// that does not answer, or else of the smallest group, since the odd one out is most
// likely wrong. If nobody answers rank 0, in a world of more than two, it is rank 0 that
// cannot be reached. Nobody is named if two groups are equally small, or if all ranks
// made the call in time and it merely took too long.
func (e *MismatchError) asRankError() error {
	if rank := e.suspect(); rank >= 0 {
		return &transport.RankError{Rank: rank, Err: e}
	}
	return e
}

func (e *MismatchError) suspect() int {
	for _, g := range e.Groups {
		if g.Invalid != "" && len(g.Ranks) > 0 {
			return g.Ranks[0]
		}
	}
	total := 0
	for _, g := range e.Groups {
		total += len(g.Ranks)
	}
	for _, g := range e.Groups {
		if g.status != statusSilent || len(g.Ranks) == 0 {
			continue
		}
		if total > 2 && len(g.Ranks) == total-1 && g.Ranks[0] == 1 {
			return 0
		}
		return g.Ranks[0]
	}
	rank, best := -1, 0
	for _, g := range e.Groups {
		switch {
		case e.Err != ErrMismatch && g.status != statusNotYet || len(g.Ranks) == 0:
		case best == 0 || len(g.Ranks) < best:
			rank, best = g.Ranks[0], len(g.Ranks)
		case len(g.Ranks) == best:
			rank = -1
		}
	}
	return rank
}
