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
	h := chunkHeader{seq: op.Seq, sig: op.Sig, walk: walk, attempt: op.Attempt, index: index}
	h.encode(&c.header)
	return to.Commit(&c.header, n)
}
