package engine

import (
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

const (
	// alignBytes is what chunk boundaries are rounded to, so that kernels meet
	// whole vectors and cache lines.
	alignBytes = 64
	// ringDepth is how many slots of a link a ring uses, and how many a link has.
	// It is the same on every transport, since all ranks must plan alike. More
	// chunks in flight would only leave the cache.
	ringDepth = 4
)

// directFrom is from how many bytes on a chunk goes to the wire from the tensor's
// own memory, and comes from it, where it lies there in one piece and the wire
// can do that. Copying less than that costs next to nothing.
const directFrom = 16 << 10

// canSendFrom reports whether chunks of so many bytes are better sent from where
// they are.
func canSendFrom(to transport.Sender, bytes int) bool {
	_, ok := to.(transport.DirectSender)
	return ok && bytes >= directFrom
}

// sendFrom sends the elements' own memory as a chunk.
func (c *Comm) sendFrom(op agree.Op, to transport.Sender, walk strided.Walk, index uint32, memory []byte) error {
	if canSendFrom(to, len(memory)) {
		c.label(op, walk, index)
		return to.(transport.DirectSender).Send(op.Stop, &c.header, memory)
	}
	return c.post(op, to, walk, index, len(memory), func(slot []byte) { copy(slot, memory) })
}

// sendView sends the elements [lo,hi) of a view as a chunk of n bytes.
func (c *Comm) sendView(op agree.Op, to transport.Sender, walk strided.Walk, index uint32, n int, view strided.View, lo, hi int64) error {
	if memory, ok := view.Bytes(lo, hi); ok {
		return c.sendFrom(op, to, walk, index, memory)
	}
	return c.post(op, to, walk, index, n, func(slot []byte) { view.Pack(slot, lo, hi) })
}

// post sends the chunk that fill writes, n bytes long, with the given index.
func (c *Comm) post(op agree.Op, to transport.Sender, walk strided.Walk, index uint32, n int, fill func(slot []byte)) error {
	slot, err := to.Acquire(op.Stop)
	if err != nil {
		return err
	}
	fill(slot[:n])
	return c.commit(op, to, walk, index, n)
}

// commit sends the slot acquired last.
func (c *Comm) commit(op agree.Op, to transport.Sender, walk strided.Walk, index uint32, n int) error {
	c.label(op, walk, index)
	return to.Commit(&c.header, n)
}

// label writes the header of the operation's chunk with the given index.
func (c *Comm) label(op agree.Op, walk strided.Walk, index uint32) {
	h := chunkHeader{seq: op.Seq, sig: op.Sig, walk: walk, attempt: op.Attempt, index: index}
	h.encode(&c.header)
}
