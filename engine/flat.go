package engine

import (
	"encoding/binary"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// A call is flat if every rank sends each other one short chunk, and all its tensors
// are memory as it is sent. Such a call takes a few hundred nanoseconds, of which views
// and plans would be a large part. What travels is the same as from other ranks, whose
// tensors may lie otherwise. The clock is read when everything is sent, since the rank
// waits then anyway.

// isFlat reports whether a call is flat that exchanges one chunk of so many bytes. The
// tensors are those whose views the recipes make.
func (c *Comm) isFlat(oneChunk bool, bytes int, a *strided.Tensor, ofA strided.Recipe, b *strided.Tensor, ofB strided.Recipe) bool {
	return oneChunk && c.size > 1 && bytes < directFrom && !a.OnDevice() && !b.OnDevice() && ofA.IsContiguous() && ofB.IsContiguous()
}

// after is the k-th place after this rank's, 0 < k < Size, and before the k-th before it.
func (c *Comm) after(k int) int {
	if k += c.place; k >= c.size {
		k -= c.size
	}
	return c.order[k]
}

func (c *Comm) before(k int) int { return c.after(c.size - k) }

// sendFlat sends a copy of b as the chunk that c.header describes.
func (c *Comm) sendFlat(o *agree.Op, peer int, b []byte) error {
	if short := c.out[peer].short; short != nil {
		return short.SendShort(o.Stop, &c.header, b)
	}
	to := c.out[peer].s
	if to == nil {
		var err error
		if to, err = c.sender(*o, peer); err != nil {
			return err
		}
	}
	slot, err := to.Acquire(o.Stop)
	if err != nil {
		return err
	}
	return to.Commit(&c.header, copy(slot, b))
}

// receiveFlat receives the only chunk from a peer, which is valid until it is released.
func (c *Comm) receiveFlat(o *agree.Op, peer, n int) ([]byte, *inLink, error) {
	if received, in := c.tryFlat(o, o.Walk, peer, n); in != nil {
		return received, in, nil
	}
	return c.receiveBytes(*o, peer, n)
}

// tryFlat receives an operation's first chunk from a peer, if it is the next one, in a
// certain walk and so long, and nothing is to be done first. Else the link is nil, and
// what came is still to be met.
func (c *Comm) tryFlat(o *agree.Op, walk strided.Walk, peer, n int) ([]byte, *inLink) {
	in := c.in[peer]
	if in == nil || in.dirty || in.drained != nil {
		return nil, nil
	}
	h, payload, err := in.r.Next(o.Stop)
	if err != nil || len(payload) != n || !describes(h, o, walk) {
		return nil, nil // and the same again from the next call
	}
	return payload, in
}

// describes reports whether a header is as label writes it for an operation's first
// chunk.
func describes(h *transport.Header, o *agree.Op, walk strided.Walk) bool {
	return binary.LittleEndian.Uint64(h[0:]) == o.Seq && binary.LittleEndian.Uint64(h[8:]) == o.Sig &&
		binary.LittleEndian.Uint64(h[16:]) == uint64(walk) && binary.LittleEndian.Uint64(h[24:]) == uint64(o.Attempt())
}

// flatAllGather is spreadAllGather.
func (c *Comm) flatAllGather(o agree.Op, p *preparedBlocks, dst, src *strided.Tensor) error {
	if err := c.listen(o); err != nil {
		return err
	}
	all, _ := p.blocks.usual.all.Bytes(dst)
	own, _ := p.blocks.usual.one.Bytes(src)
	c.label(o, o.Walk, 0)
	for k := 1; k < c.size; k++ {
		if err := c.sendFlat(&o, c.after(k), own); err != nil {
			return err
		}
	}
	c.member.Stamp()
	for k := 1; k < c.size; k++ {
		rank := c.before(k)
		lo, hi := p.rangeOf(rank)
		received, from, err := c.receiveFlat(&o, rank, hi-lo)
		if err != nil {
			return err
		}
		copy(all[lo:hi], received)
		from.r.Release()
		if k == 1 && !p.inPlace { // a rank that disagrees with the others has written nothing
			at, _ := p.rangeOf(c.rank)
			copy(all[at:], own)
		}
	}
	return nil
}

// flatAllToAll is spreadAllToAll.
func (c *Comm) flatAllToAll(o agree.Op, p *preparedBlocks, dst, src *strided.Tensor) error {
	if err := c.listen(o); err != nil {
		return err
	}
	to, _ := p.to.Bytes(dst)
	from, _ := p.from.Bytes(src)
	n := p.bytes
	c.label(o, o.Walk, 0)
	for k := 1; k < c.size; k++ {
		rank := c.after(k)
		if err := c.sendFlat(&o, rank, from[rank*n:(rank+1)*n]); err != nil {
			return err
		}
	}
	c.member.Stamp()
	for k := 1; k < c.size; k++ {
		rank := c.before(k)
		received, in, err := c.receiveFlat(&o, rank, n)
		if err != nil {
			return err
		}
		copy(to[rank*n:], received)
		in.r.Release()
		if k == 1 && !p.inPlace { // as in flatAllGather
			copy(to[c.rank*n:(c.rank+1)*n], from[c.rank*n:])
		}
	}
	return nil
}

// flatReduceScatter is swapReduceScatter for two ranks, and spreadReduceScatter for more.
func (c *Comm) flatReduceScatter(o agree.Op, p *preparedBlocks, dst, src *strided.Tensor) error {
	if err := c.listen(o); err != nil {
		return err
	}
	all, _ := p.blocks.usual.all.Bytes(src)
	sum, _ := p.blocks.usual.one.Bytes(dst)
	n, count, dt := p.bytes, p.blocks.count, src.DType()
	c.label(o, o.Walk, 0)
	for k := 1; k < c.size; k++ {
		rank := c.after(k)
		if err := c.sendFlat(&o, rank, all[rank*n:(rank+1)*n]); err != nil {
			return err
		}
	}
	own := all[c.rank*n : (c.rank+1)*n]
	c.member.Stamp()
	if c.size == 2 {
		received, from, err := c.receiveFlat(&o, c.after(1), n)
		if err != nil {
			return err
		}
		strided.ReduceLast(p.op, dt, sum, received, own, count, 2)
		from.r.Release()
		return nil
	}
	if c.operands == nil {
		c.operands = make([][]byte, c.size)
	}
	defer clear(c.operands) // the tensor is the caller's again
	for place, rank := range c.order {
		if place == c.place {
			c.operands[place] = own
			continue
		}
		received, _, err := c.receiveFlat(&o, rank, n)
		if err != nil {
			return err
		}
		c.operands[place] = received
	}
	out := sum
	if p.inPlace { // dst is read until the end
		if c.spare == nil {
			c.spare = make([]byte, c.cfg.ChunkBytes)
		}
		out = c.spare[:n]
	}
	c.fold(p.op, dt, out, count)
	copy(sum, out)
	for place, rank := range c.order {
		if place != c.place {
			c.in[rank].r.Release()
		}
	}
	return nil
}

// flatBroadcast is broadcast for the root and for who forwards nothing. It reports whether
// that was all; if not, treeReceive meets what came.
func (c *Comm) flatBroadcast(o *agree.Op, p *preparedBroadcast, dst, src *strided.Tensor) (done bool, err error) {
	if c.rank != p.root {
		c.member.Stamp()
		to, _ := p.view.Bytes(dst)
		received, from := c.tryFlat(o, p.walk, c.order[p.plan.Parent()], len(to))
		if from == nil {
			return false, nil
		}
		copy(to, received)
		from.r.Release()
		return true, nil
	}
	b, _ := p.view.Bytes(src)
	c.label(*o, p.walk, 0)
	for _, child := range p.plan.Children() {
		if err := c.sendFlat(o, c.order[child], b); err != nil {
			return true, err
		}
	}
	c.member.Stamp()
	if p.stays {
		return true, nil
	}
	return true, strided.Copy(*dst, *src)
}
