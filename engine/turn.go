package engine

import "context"

// turn is a lock that can be waited for within a context's life. It has room
// for one token, which whoever holds the lock has put there.
type turn chan struct{}

func (t turn) take() { t <- struct{}{} }

func (t turn) takeWithin(ctx context.Context) error {
	if t.tryTake() {
		return nil
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) tryTake() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t turn) give() { <-t }
