package engine

import (
	"context"
	"errors"
	"time"
)

// joinGrace is how long ranks that have met may take to join the new communicator once a
// rank has ended the old one. That one may have the new one already: the others are about
// to have it, too. That nobody says any more who of them is lost bounds the time.
const joinGrace = 2 * time.Second

// whileUp returns a context for a meeting of ranks: it ends with ctx, and as soon as the
// communicator fails, if that matters. The cause is the communicator's then.
func (c *Comm) whileUp(ctx context.Context, mayFail bool) (context.Context, context.CancelFunc) {
	return c.follow(ctx, mayFail, func(error) time.Duration { return 0 })
}

// joining is whileUp for members that have met, to join what they make. They have joinGrace
// for that if somebody has ended the communicator, and no time if a rank is lost, even one
// that is not among them: who has heard of it first has given the new one up.
func (c *Comm) joining(ctx context.Context, mayFail bool) (context.Context, context.CancelFunc) {
	return c.follow(ctx, mayFail, func(why error) time.Duration {
		if why == nil || errors.Is(why, ErrPeerLost) || errors.Is(why, ErrTimeout) {
			return 0
		}
		return joinGrace
	})
}

// follow returns a context that ends with ctx, and so long after the communicator has
// failed as grace says.
func (c *Comm) follow(ctx context.Context, mayFail bool, grace func(why error) time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if !mayFail && c.control != nil {
		go func() {
			select {
			case <-c.control.Done():
			case <-c.member.Over():
			case <-ctx.Done():
				return
			}
			timer := time.NewTimer(grace(c.whyFailed()))
			defer timer.Stop()
			select {
			case <-timer.C:
				cancel(c.whyFailed())
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}
