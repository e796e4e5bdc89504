package doubling

import (
	"fmt"
	"iter"
	"math/bits"
)

// Action is what a rank does in one step.
type Action uint8

// The actions. "have" is what the rank has combined so far, at first its own
// elements.
const (
	Send       Action = iota // send have
	RecvReduce               // receive, have = combine(have, received)
	Exchange                 // send have and receive, have = combine(have, received)
	SendResult               // send have, which is the result
	RecvResult               // receive the result
)

// Sends reports whether the step hands what the rank has to its peer, before it
// receives anything.
func (a Action) Sends() bool { return a == Send || a == Exchange || a == SendResult }

// Receives reports whether the step takes a message from its peer.
func (a Action) Receives() bool { return a == RecvReduce || a == Exchange || a == RecvResult }

// String is the action's name in the scripts of the tests.
func (a Action) String() string {
	switch a {
	case Send:
		return "Send"
	case RecvReduce:
		return "RecvReduce"
	case Exchange:
		return "Exchange"
	case SendResult:
		return "SendResult"
	case RecvResult:
		return "RecvResult"
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// Step is one step of a plan. In a whole plan, no rank sends to the same one
// twice.
type Step struct {
	Action Action
	// Peer is the rank on the other side.
	Peer int
	// Left: when combining, what this rank has is the left operand.
	Left bool
	// Last: no other combination follows on any rank; what comes out is the
	// result.
	Last bool
}

// Steps are the steps of one rank, in order. A world of one has none. It panics
// unless 0 <= rank < size.
func Steps(size, rank int) iter.Seq[Step] {
	if rank < 0 || rank >= size {
		panic(fmt.Sprintf("doubling: rank %d of %d", rank, size))
	}
	return func(yield func(Step) bool) {
		places := floorPower(size)
		extra := size - places
		if rank < 2*extra && rank%2 == 1 {
			_ = yield(Step{Action: Send, Peer: rank - 1}) &&
				yield(Step{Action: RecvResult, Peer: rank - 1})
			return
		}
		paired := rank < 2*extra
		if paired && !yield(Step{Action: RecvReduce, Peer: rank + 1, Left: true}) {
			return
		}
		place := rank - extra
		if paired {
			place = rank / 2
		}
		for distance := 1; distance < places; distance *= 2 {
			peer := place ^ distance
			if !yield(Step{
				Action: Exchange, Peer: rankAt(peer, extra),
				Left: place < peer, Last: 2*distance == places,
			}) {
				return
			}
		}
		if paired {
			yield(Step{Action: SendResult, Peer: rank + 1})
		}
	}
}

// Rounds is the number of hops that follow each other: log2 size if that is a
// whole number. Otherwise it is log2 p + 2, p being the largest power of two up
// to size, or one less where the hops before and after the rounds meet ranks that
// are ahead.
func Rounds(size int) int {
	places := floorPower(size)
	rounds := bits.TrailingZeros(uint(places))
	if size > places {
		rounds += 2
	}
	return rounds
}

// rankAt is the rank at a place.
func rankAt(place, extra int) int {
	if place < extra {
		return 2 * place
	}
	return place + extra
}

// floorPower is the largest power of two up to n >= 1.
func floorPower(n int) int { return 1 << (bits.Len(uint(n)) - 1) }
