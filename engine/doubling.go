package engine

import (
	"github.com/monel-dev/monel/doubling"
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// doublingAllReduce runs one attempt by recursive doubling. The tensor fits into
// one chunk, and every link carries one message.
func (c *Comm) doublingAllReduce(o agree.Op, in, out strided.View, op operator) error {
	for _, step := range c.steps {
		if c.soiled && step.Action.Receives() {
			if _, err := c.receiver(o, c.order[step.Peer]); err != nil {
				return err
			}
		}
	}
	count := in.Count()
	n := int(count) * in.DType().Size()
	// What this rank has combined so far: the source itself where that is
	// contiguous, until there is something of its own.
	have, there := in.Bytes(0, count)
	if op.factor != nil || !there {
		source := operand{View: in, factor: op.factor, c: c}
		have, _ = source.bytes(c.partial, 0, count)
	}
	result, inDst := out.Bytes(0, count)
	if !inDst {
		result = c.partial()[:n]
	}
	c.label(o, o.Walk, 0)
	for i := range c.steps {
		step := &c.steps[i]
		peer := c.order[step.Peer]
		if step.Action.Sends() {
			if err := c.sendFlat(&o, peer, have[:n]); err != nil {
				return err
			}
		}
		c.member.Stamp()
		if !step.Action.Receives() {
			continue
		}
		received, from, err := c.receiveFlat(&o, peer, n)
		if err != nil {
			return err
		}
		if step.Action == doubling.RecvResult {
			out.Unpack(received, 0, count)
			from.r.Release()
			return nil
		}
		left, right := received, have
		if step.Left {
			left, right = right, left
		}
		if step.Last {
			strided.ReduceLast(op.op, in.DType(), result, left, right, count, c.size)
			have = result
		} else {
			have = c.partial()[:n]
			strided.Reduce(op.op, in.DType(), have, left, right, count)
		}
		from.r.Release()
	}
	if !inDst {
		out.Unpack(result, 0, count)
	}
	return nil
}

// partial is memory for what a rank has combined of a tensor that fits into a
// chunk.
func (c *Comm) partial() []byte {
	if c.scratch == nil {
		c.scratch = make([]byte, c.cfg.ChunkBytes)
	}
	return c.scratch
}
