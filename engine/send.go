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

const (
	// directFrom is from how many bytes on a chunk goes to the wire from the
	// tensor's own memory, and comes from it, where it lies there in long pieces
	// and the wire can do that. Copying less than that costs next to nothing.
	directFrom = 16 << 10
	// longPiece is how many bytes a piece has at least, but the first and last of
	// a chunk: with shorter ones, the system takes longer than the copy that is
	// spared.
	longPiece = 4 << 10
)

// piecesOf is the memory of the elements [lo,hi) of a view, if it lies in long
// pieces, until the next call of it or onePiece; else nil.
func (c *Comm) piecesOf(view strided.View, lo, hi int64) [][]byte {
	pieces, ok := view.Pieces(c.pieces[:0], lo, hi, longPiece)
	c.pieces = pieces
	if !ok {
		return nil
	}
	return pieces
}

// onePiece is memory as the only piece.
func (c *Comm) onePiece(memory []byte) [][]byte {
	c.pieces = append(c.pieces[:0], memory)
	return c.pieces
}

// canSendFrom reports whether chunks of so many bytes are better sent from where
// they are.
func canSendFrom(to transport.Sender, bytes int) bool {
	if bytes < directFrom {
		return false
	}
	_, ok := to.(transport.DirectSender)
	return ok
}

// writerOf is a link that is to write its slots itself, or nil. Chunks that are short
// are not worth finding their pieces.
func writerOf(to transport.Sender, bytes int) transport.SlotWriter {
	if bytes < directFrom {
		return nil
	}
	w, _ := to.(transport.SlotWriter)
	return w
}

// sendFrom sends pieces of memory as a chunk of n bytes.
func (c *Comm) sendFrom(op agree.Op, to transport.Sender, walk strided.Walk, index uint32, n int, pieces [][]byte) error {
	if canSendFrom(to, n) {
		c.label(op, walk, index)
		return to.(transport.DirectSender).Send(op.Stop, &c.header, pieces)
	}
	if w := writerOf(to, n); w != nil {
		return c.post(op, to, walk, index, n, func([]byte) { w.Write(pieces) })
	}
	return c.post(op, to, walk, index, n, func(slot []byte) {
		for _, p := range pieces {
			slot = slot[copy(slot, p):]
		}
	})
}

// sendView sends the elements [lo,hi) of a view as a chunk of n bytes.
func (c *Comm) sendView(op agree.Op, to transport.Sender, walk strided.Walk, index uint32, n int, view strided.View, lo, hi int64) error {
	if canSendFrom(to, n) || writerOf(to, n) != nil {
		if pieces := c.piecesOf(view, lo, hi); pieces != nil {
			return c.sendFrom(op, to, walk, index, n, pieces)
		}
	}
	return c.post(op, to, walk, index, n, func(slot []byte) { view.Pack(slot, lo, hi) })
}

// sendLater is sendView of a chunk that others to the same peer follow at once, and which
// may go with them. The tensor's memory is borrowed until flush.
func (c *Comm) sendLater(op agree.Op, to transport.Sender, walk strided.Walk, index uint32, n int, view strided.View, lo, hi int64) error {
	if canSendFrom(to, n) {
		if pieces := c.piecesOf(view, lo, hi); pieces != nil {
			c.label(op, walk, index)
			return to.(transport.DirectSender).SendLater(op.Stop, &c.header, pieces)
		}
	}
	return c.sendView(op, to, walk, index, n, view, lo, hi)
}

// flush sends what waits for more to go with it, also where err has ended the operation:
// the memory is the caller's afterwards.
func flush(err error, links ...transport.Sender) error {
	for _, link := range links {
		if direct, ok := link.(transport.DirectSender); ok {
			if flushed := direct.Flush(); err == nil {
				err = flushed
			}
		}
	}
	return err
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
	// Word by word: a struct in between would be written in words and read in twos,
	// which the processor has to wait for.
	encodeHeader(&c.header, op.Seq, op.Sig, walk, op.Attempt(), index)
}
