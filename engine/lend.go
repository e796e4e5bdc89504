package engine

import (
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// lendable returns the link to a peer as one that can read the tensors' memory, or
// nil if its wire cannot. Memory that lies in one piece is registered for that.
func (c *Comm) lendable(to transport.Sender, views ...strided.View) transport.Lender {
	lender, ok := to.(transport.Lender)
	if !ok {
		return nil
	}
	registrar, ok := c.mesh.(transport.Registrar)
	if !ok {
		return nil
	}
	for _, v := range views {
		if memory, ok := v.Bytes(0, v.Count()); ok {
			registrar.Register(memory)
		}
	}
	return lender
}

// canLend reports whether the elements [lo,hi) of a view, n bytes, can be sent from
// where they lie. Copying few of them costs less than to see that they have been read.
func canLend(to transport.Lender, view strided.View, lo, hi int64, n int) bool {
	if to == nil || n < directFrom {
		return false
	}
	memory, ok := view.Bytes(lo, hi)
	return ok && to.CanLend(memory)
}

// lend sends elements that canLend as a chunk. They must not change before settle, but
// to what depends on the chunk's arrival.
func (c *Comm) lend(o agree.Op, to transport.Lender, walk strided.Walk, index uint32, view strided.View, lo, hi int64) error {
	memory, _ := view.Bytes(lo, hi)
	c.label(o, walk, index)
	return to.Lend(o.Stop, &c.header, memory)
}

// settle waits until no memory is read that was lent to links, also where err has ended
// the operation: the memory is the caller's afterwards. Links may be nil.
func settle(o agree.Op, err error, links ...transport.Lender) error {
	for _, link := range links {
		if link != nil {
			err = settleAfter(o.Stop, err, link)
		}
	}
	return err
}
