package engine

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/regroup"
)

// Meetings outside of the sequence of operations stand in a line: one after the other, in
// the order in which they were asked for. Two at the same time would look like a rank that
// disagrees with itself.

// regroup holds such a meeting when its turn has come. Members are in the order of their
// ranks.
func (c *Comm) regroup(ctx context.Context, members []int, m *regroup.Meeting) (p plan, err error) {
	w := c.inLine()
	w.waits = true
	w.run = func() error {
		p, err = c.regroupNow(ctx, members, m)
		return err
	}
	c.family.line.push(w)
	if w.here {
		c.family.line.workHere()
		return p, w.err
	}
	if err := awaitTurn(ctx, w); err != nil {
		return plan{}, err
	}
	return p, nil
}

// startInLine has a communicator made when the turn for that has come, beside the caller.
// The line goes on when it has been made: a rank that came to its next meeting before all
// others have left this one, and taken back what they have told ranks that are not in it,
// would seem to be in two calls.
func (c *Comm) startInLine(ctx context.Context, call string, by func(within context.Context) (*Comm, error)) (*PendingComm, error) {
	p, within, err := c.pendingChild(ctx, call)
	if err != nil {
		return nil, err
	}
	w := c.inLine()
	var comm *Comm
	w.run = func() (err error) {
		comm, err = by(within)
		return err
	}
	c.family.line.push(w)
	return c.family.raised(within, p, func() (*Comm, error) {
		err := awaitTurn(within, w)
		if w.state.Load() == workWithdrawn {
			return nil, fmt.Errorf("rank %d: %s: not started: %w", c.rank, call, err)
		}
		return comm, err
	}), nil
}

func (c *Comm) inLine() *Work { return &Work{rank: c.rank, done: make(chan struct{})} }

// awaitTurn waits until a work of a queue has ended, or takes it back if ctx ends before
// its turn has come; what is in progress watches ctx itself.
func awaitTurn(ctx context.Context, w *Work) error {
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
	}
	if w.state.CompareAndSwap(workQueued, workWithdrawn) {
		return context.Cause(ctx)
	}
	<-w.done
	return w.err
}
