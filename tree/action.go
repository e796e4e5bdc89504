package tree

// Action is what a rank does in one step. Each is a set of elementary parts,
// done in the order receive, reduce, copy, send; an executor may branch on the parts
// or on the actions.
type Action uint8

const (
	partRecv Action = 1 << iota
	partReduce
	partCopy
	partSend
)

// The actions of a broadcast. "src" and "dst" are the caller's elements [Lo,Hi),
// "in" is the payload received from the parent, "out" the payload to send to
// each child in turn.
const (
	Send         = partSend                       // out = src: the root
	RecvCopySend = partRecv | partCopy | partSend // out = dst = in: between root and leaves
	RecvCopy     = partRecv | partCopy            // dst = in: a leaf
)

// The actions of a reduce, whose leaves Send. "in" is the payload received from a
// child, for each in turn, "out" the payload to send to the parent.
const (
	RecvReduceSend = partRecv | partReduce | partSend // out = in (+) src (+) the other children's: between leaves and root
	RecvReduceCopy = partRecv | partReduce | partCopy // dst = finish(in (+) src (+) the other children's): the root
)

// Receives reports whether the step takes a message from the parent, or in a reduce
// one from each child.
func (a Action) Receives() bool { return a&partRecv != 0 }

// Reduces reports whether the step adds this rank's source elements to what it
// received.
func (a Action) Reduces() bool { return a&partReduce != 0 }

// Copies reports whether the step writes this rank's destination.
func (a Action) Copies() bool { return a&partCopy != 0 }

// Sends reports whether the step hands a message to each child, or in a reduce one to
// the parent.
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
