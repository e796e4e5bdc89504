package engine

import (
	"github.com/monel-dev/monel/doubling"
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/strided"
)

// direct is what directAllReduce works with: every place's elements, then
// intermediate results.
type direct struct {
	merges   []doubling.Merge
	operands [][]byte
}

// newDirect prepares for a world of so many ranks; the zero value if that is too
// many.
func newDirect(size int) direct {
	if size > choose.MostDirect {
		return direct{}
	}
	return direct{merges: doubling.Merges(size), operands: make([][]byte, size+doubling.Levels(size))}
}

// fits reports whether a communicator's scratch, as large as a chunk, has room for
// a rank's own elements and the intermediate results.
func (d *direct) fits(bytes int64, chunk int) bool {
	levels := len(d.operands) - len(d.merges) - 1
	return len(d.merges) > 0 && bytes <= int64(chunk/(1+levels))
}

// directAllReduce runs one attempt in a single round: every rank sends all its
// elements to every other and adds up what comes. They are added as by doubling,
// so the bits are the same; nothing is written before the headers of all ranks
// are seen.
func (c *Comm) directAllReduce(o agree.Op, in, out strided.View, op operator) error {
	if err := c.listen(o); err != nil {
		return err
	}
	count := in.Count()
	n := int(count) * in.DType().Size()
	room := c.partial()
	own, there := in.Bytes(0, count)
	if op.factor != nil || !there {
		source := operand{View: in, factor: op.factor, c: c}
		own, there = source.bytes(c.partial, 0, count)
	}
	if !there {
		room = room[n:]
	}
	// The nearest places first, so that not all begin with the same rank.
	c.label(o, o.Walk, 0)
	for k := 1; k < c.size; k++ {
		if err := c.sendFlat(&o, c.after(k), own); err != nil {
			return err
		}
	}
	c.member.Stamp()
	have := c.direct.operands
	defer clear(have) // the tensor is the caller's again
	have[c.place] = own
	for place, rank := range c.order {
		if place == c.place {
			continue
		}
		received, _, err := c.receiveFlat(&o, rank, n)
		if err != nil {
			return err
		}
		have[place] = received
	}
	for i := c.size; i < len(have); i++ {
		have[i], room = room[:n], room[n:]
	}
	last := c.direct.merges[len(c.direct.merges)-1]
	for _, m := range c.direct.merges[:len(c.direct.merges)-1] {
		strided.Reduce(op.op, in.DType(), have[m.Out], have[m.Left], have[m.Right], count)
	}
	result, inDst := out.Bytes(0, count)
	if !inDst {
		result = have[last.Out]
	}
	strided.ReduceLast(op.op, in.DType(), result, have[last.Left], have[last.Right], count, c.size)
	if !inDst {
		out.Unpack(result, 0, count)
	}
	for place, rank := range c.order {
		if place != c.place {
			c.in[rank].r.Release()
		}
	}
	return nil
}
