package tree

// Action is what a rank does in one step. Each is a set of elementary parts,
// done in the order receive, copy, send; an executor may branch on the parts or
// on the three actions.
type Action uint8

const (
	partRecv Action = 1 << iota
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

// Receives reports whether the step takes a message from the parent.
func (a Action) Receives() bool { return a&partRecv != 0 }

// Copies reports whether the step writes this rank's destination.
func (a Action) Copies() bool { return a&partCopy != 0 }

// Sends reports whether the step hands a message to each child.
func (a Action) Sends() bool { return a&partSend != 0 }

// String is the action's name, as in NCCL.
func (a Action) String() string {
	name := ""
	if a.Receives() {
		name += "Recv"
	}
	if a.Copies() {
		name += "Copy"
	}
	if a.Sends() {
		name += "Send"
	}
	return name
}
