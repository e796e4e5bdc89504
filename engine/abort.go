package engine

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
)

// ErrRevoked: a rank has called Revoke. What was in progress has ended with it, and
// so does every later call; new communicators can still be made of the ranks.
var ErrRevoked = agree.ErrRevoked

// Abort ends the communicator at once, whatever is in progress: calls of this rank
// that are under way or come later return a *RankError that names this rank and wraps
// ErrAborted, the other ranks are told and return the same, and everything is freed as
// by Close, whose result it returns. It may be called from any goroutine, also during
// Close, which then waits for nobody any more. It never waits for other ranks, except
// for up to about a second to tell them, and for devices as Close does.
//
// Tensors of calls under way are the caller's again when those calls have returned.
func (c *Comm) Abort() error {
	c.halt(&RankError{Rank: c.rank, Err: fmt.Errorf("%w by its user", ErrAborted)})
	return c.Close()
}

// Revoke stops what is in progress on all ranks and makes the communicator refuse
// every collective from now on: they return a *RankError that names this rank and wraps
// ErrRevoked. Unlike Abort it frees nothing, so Split and Shrink work on all ranks
// afterwards; Close is still to be called. It returns when nothing is in progress on
// this rank any more, and waits for no other. A rank that calls Split before it has heard
// of this gets the error there, and calls it again.
//
// A communicator that has failed stays failed with its own error, which is none for
// Revoke. On one that this rank has closed it returns an error that wraps ErrClosed.
func (c *Comm) Revoke() error {
	if c.family.ended() {
		return &RankError{Rank: c.rank, Doing: "revoke", Err: fmt.Errorf("communicator %w", ErrClosed)}
	}
	c.halt(&RankError{Rank: c.rank, Err: ErrRevoked})
	return c.quiesce(context.Background())
}

// halt fails the communicator here before it does so everywhere, so that calls of this
// rank return the very cause.
func (c *Comm) halt(cause *RankError) {
	c.member.Fail(cause)
	c.fail(cause)
}

// quiesce waits until nothing of a communicator that has failed is in progress, within ctx
// where Close has the turn.
func (c *Comm) quiesce(ctx context.Context) error {
	c.queue.settle()
	c.queue.workers.Wait()
	if c.turn.takeWithin(ctx) != nil {
		return context.Cause(ctx)
	}
	c.turn.give()
	return nil
}

// Finalize waits, within ctx, until all collectives that this rank has begun or
// started have ended, and all communicators been made that it has started to make of this
// one, and then closes the communicator as Close does. If ctx ends first, or if the communicator has failed or been revoked, it returns why and closes
// nothing; Close and Abort are still to be called then. Errors of started collectives
// are told by their Work.
func (c *Comm) Finalize(ctx context.Context) error {
	err := c.Err()
	if err == nil {
		err = c.flush(ctx)
	}
	if err == nil {
		err = c.family.settled(ctx)
	}
	if err == nil {
		err = c.Err()
	}
	if err != nil {
		return fmt.Errorf("rank %d: finalize: %w", c.rank, err)
	}
	return c.Close()
}

// flush waits until what has been begun or started so far has ended.
func (c *Comm) flush(ctx context.Context) error {
	if c.queue.busy() {
		last, err := c.startMark(ctx)
		if err != nil {
			return err
		}
		select {
		case <-last.done:
		case <-ctx.Done():
			last.state.CompareAndSwap(workQueued, workWithdrawn)
			return ctx.Err()
		}
	}
	if err := c.turn.takeWithin(ctx); err != nil {
		return err
	}
	c.turn.give()
	return nil
}

// startMark starts what ends when all has ended that has been begun or started before.
func (c *Comm) startMark(ctx context.Context) (*Work, error) {
	t := &task{}
	w := c.newWork(t)
	w.run = func() error {
		c.turn.take()
		c.turn.give()
		return nil
	}
	return w, c.enqueue(ctx, w, t)
}
