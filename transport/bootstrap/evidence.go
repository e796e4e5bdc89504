package bootstrap

import (
	"errors"
	"fmt"

	"github.com/monel-dev/monel/transport"
)

// report considers a failure that the rank from tells of, and reports whether that rank
// gives this one up. What a rank says about another's death is hearsay: the other may have
// died of something that the coordinator is about to see itself, or may have left in order.
func (c *Control) report(from int, e *transport.RankError) (deserted bool) {
	if c.isDesertion(from, e) {
		c.deserted(from, e)
		return true
	}
	c.mu.Lock()
	away := e.Rank == 0 && from != 0 && !c.left[0]
	c.mu.Unlock()
	// A member that cannot reach this very process over data links: there is no better
	// evidence to wait for.
	hearsay := !away && e.Rank != from && (errors.Is(e.Err, transport.ErrPeerLost) || errors.Is(e.Err, transport.ErrClosed))
	asleep := c.pulse.stoodStill(justNow)
	if !hearsay && !asleep {
		c.settle(c.whoIsLate(from, e, false))
		return false
	}
	c.weigh(func() *transport.RankError {
		c.mu.Lock()
		left := c.left[e.Rank]
		c.mu.Unlock()
		if hearsay && left {
			return leftError(e.Rank)
		}
		return c.whoIsLate(from, e, asleep)
	})
	return false
}

// blame settles on what the coordinator has seen itself. If it has just been asleep it
// does not know what came first: a rank that gave it up has ended its link afterwards.
func (c *Control) blame(e *transport.RankError) {
	if !c.pulse.stoodStill(justNow) {
		c.settle(e)
		return
	}
	c.weigh(func() *transport.RankError { return e })
}

// weigh settles on something in a while, unless better evidence comes. That a member has
// given this very process up is such: what it does then, others take for a loss.
func (c *Control) weigh(what func() *transport.RankError) {
	c.after(c.cfg.HearsayWait, func() {
		c.mu.Lock()
		given := c.deserters > 0
		c.mu.Unlock()
		if !given {
			c.settle(what())
		}
	})
}

// whoIsLate is e, unless it says that time is up and it is another rank that has kept it.
// asleep says that this one has just stood still.
func (c *Control) whoIsLate(from int, e *transport.RankError, asleep bool) *transport.RankError {
	late := func(rank int, why string) *transport.RankError {
		return &transport.RankError{Rank: rank, Doing: e.Doing, Err: fmt.Errorf("%w: %s", transport.ErrTimeout, why)}
	}
	if !errors.Is(e.Err, transport.ErrTimeout) {
		return e
	}
	if from == 0 {
		if asleep && e.Rank != 0 {
			return late(0, "its process stood still, and so has not heard of others in time")
		}
		return e
	}
	if e.Rank != from {
		return e
	}
	// A member says that its time is up, by its clock.
	select {
	case <-c.ready:
		if !asleep || e.Doing != settingUp {
			return e
		}
	default: // others are missing, or this rank has the links of all and has not said so
		if absent := c.absent(); len(absent) > 0 {
			return late(absent[0], "it did not open its control link to rank 0 in time")
		}
	}
	return late(0, "it had the control links of all ranks, and did not say so in time")
}

// isDesertion reports whether e says that a member hears nothing from this very process.
func (c *Control) isDesertion(from int, e *transport.RankError) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return from != 0 && e.Rank == 0 && !c.left[0] && e.Err.Error() == coordinatorLost.Err.Error()
}

// deserted considers that a member has given this very process up because it hears
// nothing from it. If this process was stopped, the others have done the same, those at
// least that waited for it; then it says what they say. If it was not, and they have not,
// or if they cannot be asked and nothing was amiss with what came from that
// member, it is the member which is cut off, in one direction.
func (c *Control) deserted(from int, e *transport.RankError) {
	asleep := c.pulse.stoodStill(justNow)
	c.mu.Lock()
	c.deserters++
	first := c.deserters == 1
	c.mu.Unlock()
	if !first {
		return
	}
	c.after(c.cfg.HearsayWait, func() {
		c.mu.Lock()
		few := c.size > 2 && c.deserters*2 < c.size-1
		some := c.size == 2 || c.deserters < c.size-1
		l := c.links[from]
		c.mu.Unlock()
		if !asleep && (few || some && l.steady()) {
			e = &transport.RankError{Rank: from, Err: fmt.Errorf("%w: it hears nothing from rank 0, which hears it; the network is cut in one direction", transport.ErrPeerLost)}
		}
		c.settle(e)
	})
}
