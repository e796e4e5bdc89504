package ring

// pipeline orders the steps of several loops into the one sequence that a rank
// executes. Loop l may start stride rounds after loop l-1: its step j belongs to
// round l·stride + j, and rounds are executed in order, within a round the older
// loop first.
//
// Every rank executes the same sequence of (loop, step) pairs. Step j sends what
// the successor receives in step j+1 of the same loop, one round later, so the
// order of sends on a link and the order of receives from it agree.
//
// # Slots and deadlock
//
// The model of a rank is a sequential program over blocking links. A step that
// receives and sends does
//
//	Next(in) → Acquire(out) → compute → Commit(out) → Release(in)
//
// and a slot is occupied from Commit until the receiver's Release. On a link with
// k slots, Acquire waits while k are occupied.
//
// Interleaving does not matter. A link with k slots is a pair of unbounded
// streams: chunks one way, and credits the other way, of which k exist at the
// start; Next and Acquire read one stream each and wait for it, Commit and
// Release write and never wait, and which stream is read next depends on the
// program alone. That is a Kahn process network, in which the sequence of values
// on each stream is the same for every fair schedule (G. Kahn, "The semantics of
// a simple language for parallel programming", 1974). So either every schedule
// completes or none does, and one maximal run decides.
//
// Take the run in which all ranks move in lockstep, which exists since all run
// the same sequence of actions. Write S for the steps of a loop. Let a rank
// stand at the Acquire of step j of loop l, in round t = l·stride + j. A loop l'
// then occupies one slot of each link if it has sent and its last message has
// not been released: for l' < l, which already had its turn in this round, if
// t - l'·stride ≤ S-2, since its last step sends nothing; for l' ≥ l, whose turn
// comes, if t-1 - l'·stride ≥ 0. The other bound holds by itself in both cases.
// So the occupying loops are those whose first round lies in the S-2 rounds from
// t-(S-2) to t-1, at most
//
//	ceil((S-2)/stride)
//
// of them, and a loop that finishes at step S-2 while all younger ones follow at
// full rate attains it. The Acquire needs one slot more. With k slots, therefore,
// the pipeline completes if and only if
//
//	1 + min(loops, ceil((S-2)/stride)) ≤ k.
//
// The smallest stride that a depth permits is ceil((S-2)/(depth-1)), and any
// depth from 2 to k is safe. (A link that has more slots than the depth may use
// them, when a rank runs ahead of its successor; it never has to.) At the end of that run all links are empty, so
// operations that follow one another on the same links, in the same order on all
// ranks, are safe together as well.
type pipeline struct {
	loops  int64
	steps  int64 // per loop
	stride int64 // rounds between the starts of two loops

	loop, step         int64 // what next returns
	oldest, oldestStep int64 // the first pair of the current round
}

func newPipeline(loops, steps int64, depth int) pipeline {
	// ceil((steps-2)/(depth-1)) without overflow, and at least 1, which two steps,
	// whose loops hold no slot while others begin, would not need.
	return pipeline{loops: loops, steps: steps, stride: max(steps-3, 0)/(int64(depth)-1) + 1}
}

// next returns the next pair, or false at the end.
func (p *pipeline) next() (loop, step int64, ok bool) {
	if p.loop == p.loops {
		return 0, 0, false
	}
	loop, step = p.loop, p.step
	if p.step >= p.stride && p.loop+1 < p.loops {
		p.loop++
		p.step -= p.stride
		return loop, step, true
	}
	// The round is over. The oldest loop may be, too; its successor is then at
	// most steps-1 behind, since the stride is less than steps.
	p.oldestStep++
	if p.oldestStep == p.steps {
		p.oldest++
		p.oldestStep -= p.stride
	}
	p.loop, p.step = p.oldest, p.oldestStep
	return loop, step, true
}
