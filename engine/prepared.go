package engine

import (
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/choose"
	"github.com/monel-dev/monel/strided"
)

// prepared is what follows from the arguments of an all_reduce, apart from the
// memory itself: that they are right, and how the call is to be carried out. It
// does not change once made. Programs make the same few calls over and over, and
// to find all this out again would take a short call longer than its message.
type prepared struct {
	pair strided.Pair
	op   Op
	call agree.Call
	walk strided.Walk
	// dst and src are the tensors' views in that order.
	dst, src strided.Recipe
	by       choose.AllReduce
	// oneRound: doubling's rounds are replaced by one.
	oneRound bool
	stamps   bool // see conduct
	device   bool // there are elements, and they are in a device's memory
}

// preparedCalls is how many are remembered, a power of two.
const preparedCalls = 64

// prepareAllReduce checks and describes a call, or remembers having done so. If
// the arguments are wrong it returns the name of the one that is, and why.
func (c *Comm) prepareAllReduce(dst, src *strided.Tensor, op Op) (p *prepared, argument string, err error) {
	if p := c.latest.Load(); op.Valid() && p != nil && p.op == op && p.pair.Fits(dst, src) {
		return p, "", nil
	}
	return c.prepareOtherAllReduce(dst, src, op)
}

// prepareOtherAllReduce is prepareAllReduce of a call that is not the latest. It is apart
// from it, since methods of tensors work on copies, which take as long as all the rest.
//
//go:noinline
func (c *Comm) prepareOtherAllReduce(dst, src *strided.Tensor, op Op) (p *prepared, argument string, err error) {
	// Calls of different sizes or operators should not displace each other.
	place := &c.prepared[(uint64(src.Count())*5+uint64(op))%preparedCalls]
	if p := place.Load(); op.Valid() && p != nil && p.op == op && p.pair.Fits(dst, src) {
		c.latest.Store(p)
		return p, "", nil
	}
	if argument, err := c.checkAllReduce(*dst, *src, op); err != nil {
		return nil, argument, err
	}
	p = &prepared{op: op, pair: strided.PairOf(*dst, *src), call: describeAllReduce(src, op), by: c.allReduceBy(*src), device: onDevice(src)}
	p.oneRound = c.inOneRound(bytesOf(*src))
	p.stamps = p.by == choose.Doubling && c.size > 1
	if !c.cfg.LogicalOrder {
		// Scattered writes cost more than scattered reads, so dst's order is the
		// one to follow.
		p.walk = dst.Layout().MemoryWalk()
	}
	if p.dst, err = dst.Recipe(p.walk); err != nil {
		return nil, "dst", err
	}
	if p.src, err = src.Recipe(p.walk); err != nil {
		return nil, "src", err
	}
	place.Store(p)
	c.latest.Store(p)
	return p, "", nil
}

func describeAllReduce(src *strided.Tensor, op Op) agree.Call {
	var shape [16]int64
	return agree.NewCall(agree.AllReduce, src.DType(), comparable(op), 0, src.Layout().AppendShape(shape[:0]))
}
