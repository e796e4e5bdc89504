//go:build cgo && linux

package main

import "context"

// turn is a communicator's among all that are made of the same one. They are made one
// after the other, in the order in which they were asked for, because that order is the
// same on all ranks; collectives of the parent follow when all have been made.
type turn struct {
	before *turn // nil if there is none, or if it has passed
	over   chan struct{}
}

// lineUp takes the next turn.
func (c *comm) lineUp() *turn {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &turn{before: c.latest, over: make(chan struct{})}
	if t.before != nil && t.before.passed() {
		t.before = nil
	}
	c.latest = t
	return t
}

func (t *turn) passed() bool {
	select {
	case <-t.over:
		return true
	default:
		return false
	}
}

// come waits for the turn, within ctx.
func (t *turn) come(ctx context.Context) error {
	if t.before == nil {
		return nil
	}
	select {
	case <-t.before.over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pass ends the turn, which may not have come yet.
func (t *turn) pass() {
	switch {
	case t == nil:
	case t.before == nil || t.before.passed():
		t.before = nil
		close(t.over)
	default:
		go func() {
			<-t.before.over
			t.before = nil
			close(t.over)
		}()
	}
}

// settled waits, within ctx, until all that is made of the communicator has been made.
func (c *comm) settled(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := c.latest; t != nil; t = c.latest {
		c.mu.Unlock()
		select {
		case <-t.over:
		case <-ctx.Done():
		}
		c.mu.Lock()
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if c.latest == t {
			c.latest = nil
		}
	}
	return nil
}
