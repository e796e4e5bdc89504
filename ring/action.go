package ring

// Action is what a rank does in one step. Each is a set of elementary parts,
// done in the order receive, reduce, copy, send; an executor may branch on the
// parts or on the five actions.
type Action uint8

const (
	partRecv Action = 1 << iota
	partReduce
	partCopy
	partSend
)

// The actions. "src" and "dst" are the caller's elements [Lo,Hi), "in" is the
// payload received, "out" the payload to send. An all-reduce has all but
// RecvReduceCopy, an all-gather those that do not reduce, a reduce-scatter those
// that do and Send.
const (
	Send               = partSend                                    // out = src
	RecvReduceSend     = partRecv | partReduce | partSend            // out = in (+) src
	RecvReduceCopySend = partRecv | partReduce | partCopy | partSend // out = dst = finish(in (+) src)
	RecvReduceCopy     = partRecv | partReduce | partCopy            // dst = finish(in (+) src)
	RecvCopySend       = partRecv | partCopy | partSend              // out = dst = in
	RecvCopy           = partRecv | partCopy                         // dst = in
)

// Receives reports whether the step takes a message from the predecessor.
func (a Action) Receives() bool { return a&partRecv != 0 }

// Reduces reports whether the step adds this rank's source elements to what it
// received.
func (a Action) Reduces() bool { return a&partReduce != 0 }

// Copies reports whether the step writes this rank's destination.
func (a Action) Copies() bool { return a&partCopy != 0 }

// Sends reports whether the step hands a message to the successor.
func (a Action) Sends() bool { return a&partSend != 0 }

// String is the action's name, as in NCCL.
func (a Action) String() string {
	name := ""
	if a.Receives() {
		name += "Recv"
	}
	if a.Reduces() {
		name += "Reduce"
	}
	if a.Copies() {
		name += "Copy"
	}
	if a.Sends() {
		name += "Send"
	}
	return name
}
