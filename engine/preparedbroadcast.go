package engine

import (
	"sync/atomic"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/tree"
)

// preparedBroadcast is prepared for a broadcast: what follows from the arguments, apart
// from the memory itself. It does not change once made.
type preparedBroadcast struct {
	pair strided.Pair // the root's dst, or if it has none what goes out, and what goes out; elsewhere dst twice
	root int
	call agree.Call

	device bool // there are elements, and they are in a device's memory
	stays  bool // the root's dst is its src, or it has none
	// walk is the root's, and elsewhere what it is likely to be; view is that of the
	// tensor in this order.
	walk strided.Walk
	view strided.Recipe
	// plan is where this rank stands and what it does, from the start, or planErr says
	// why there is none.
	plan    tree.Plan
	planErr error
	short   bool // all goes in one chunk, which is better copied than read where it lies
	flat    bool // and the tensor is memory as it is sent, which nobody here forwards
}

// preparedBroadcasts is how many broadcasts are remembered, a power of two.
const preparedBroadcasts = 16

// broadcastCalls are the broadcasts that are remembered, and the latest of them.
type broadcastCalls struct {
	latest atomic.Pointer[preparedBroadcast]
	all    [preparedBroadcasts]atomic.Pointer[preparedBroadcast]
}

// prepareBroadcast checks and describes a broadcast, or remembers having done so. If
// the arguments are wrong it returns the name of the one that is, and why, and only
// what describes the call.
func (c *Comm) prepareBroadcast(dst, src *strided.Tensor, root int) (p *preparedBroadcast, argument string, err error) {
	if p := c.broadcastCalls.latest.Load(); p != nil && p.root == root && p.pair.Fits(dst, c.broadcastOf(dst, src, root)) {
		return p, "", nil
	}
	return c.prepareOtherBroadcast(dst, src, root)
}

// prepareOtherBroadcast is prepareBroadcast of one that is not the latest. It is apart from
// it, since methods of tensors work on copies, which take as long as all the rest.
//
//go:noinline
func (c *Comm) prepareOtherBroadcast(dst, src *strided.Tensor, root int) (p *preparedBroadcast, argument string, err error) {
	here := c.broadcastOf(dst, src, root)
	other := dst
	if dst.IsZero() {
		other = here
	}
	place := &c.broadcastCalls.all[(uint64(here.Count())*5+uint64(root))%preparedBroadcasts]
	if p := place.Load(); p != nil && p.root == root && p.pair.Fits(other, here) {
		c.broadcastCalls.latest.Store(p)
		return p, "", nil
	}
	p = &preparedBroadcast{root: root, call: describeBroadcast(here, root)}
	if argument, err := c.checkBroadcast(*dst, *src, root); err != nil {
		return p, argument, err
	}
	p.pair = strided.PairOf(*other, *here)
	p.device = onDevice(here)
	p.stays = c.rank != root || dst.IsZero() || strided.Same(*dst, *src)
	if !c.cfg.LogicalOrder {
		p.walk = here.Layout().MemoryWalk()
	}
	if p.view, err = here.Recipe(p.walk); err != nil {
		return p, "dst", err
	}
	if p.plan, p.planErr = c.treePlan(*here, root); p.planErr == nil {
		steps := p.plan
		first, some := steps.Next()
		_, more := steps.Next()
		p.short = some && !more && bytesOf(*here) < directFrom
		p.flat = c.isFlat(p.short && first.Index == 0, int(bytesOf(*here)), here, p.view, here, p.view) && (c.rank == root || len(p.plan.Children()) == 0)
	}
	place.Store(p)
	c.broadcastCalls.latest.Store(p)
	return p, "", nil
}

func describeBroadcast(here *strided.Tensor, root int) agree.Call {
	var shape [16]int64
	return agree.NewCall(agree.Broadcast, here.DType(), 0, root, here.Layout().AppendShape(shape[:0]))
}
