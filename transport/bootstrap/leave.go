package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/monel-dev/monel/transport"
)

// Leave announces that this rank needs the communicator no longer, and waits
// until every rank has said so: nil then. While it waits, nothing on this side
// should be torn down, since others may still use it. It returns the verdict
// when something fails meanwhile, and ctx's error when ctx ends first; the
// ranks that still use the communicator then find that this one has left.
func (c *Control) Leave(ctx context.Context) error {
	c.mu.Lock()
	first := !c.leaving
	c.leaving = true
	l := c.links[0]
	c.mu.Unlock()
	if first {
		if c.rank == 0 {
			c.bye(0)
		} else {
			l.send(frameBye, nil, true, false)
		}
	}
	select {
	case <-c.allBye:
		return nil
	default:
	}
	select {
	case <-c.allBye:
		return nil
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		return fmt.Errorf("%w: not every rank has closed the communicator: %w", transport.ErrTimeout, context.Cause(ctx))
	}
}

// closeTime bounds how long Close waits for what is queued to be sent.
const closeTime = time.Second

// lostTime is the same for what is queued to a rank that is lost.
const lostTime = 100 * time.Millisecond

// Close tells the others that this rank has left, unless all have, sends what is
// queued, closes all connections, and returns when no goroutine is left: in
// about a second at most.
func (c *Control) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		c.wg.Wait()
		return nil
	}
	c.closed = true
	first := !c.leaving
	c.leaving = true
	links := append([]*link(nil), c.links...)
	c.mu.Unlock()
	if c.pulse != nil {
		close(c.pulse.quit)
	}
	own := &transport.RankError{Rank: c.rank, Err: fmt.Errorf("%w: this rank closed the communicator", transport.ErrClosed)}
	select {
	case <-c.allBye:
	default:
		if c.rank == 0 {
			c.settle(leftError(0))
		} else if first {
			links[0].send(frameBye, nil, true, false)
		}
	}
	c.conclude(own)
	c.inbox.close()
	cutAfter := func(d time.Duration, links ...*link) *time.Timer {
		return time.AfterFunc(d, func() {
			for _, l := range links {
				if l != nil {
					l.cut()
				}
			}
		})
	}
	defer cutAfter(closeTime, links...).Stop()
	c.mu.Lock()
	e := c.verdict // which may still be on its way to others
	c.mu.Unlock()
	if errors.Is(e, transport.ErrPeerLost) || errors.Is(e, transport.ErrTimeout) {
		defer cutAfter(lostTime, links[e.Rank]).Stop() // nobody is there to read it
	}
	for _, l := range links {
		if l != nil {
			l.finish()
		}
	}
	for _, l := range links {
		if l != nil {
			<-l.sent // what was queued, last words included
			<-l.over
			l.cut()
		}
	}
	c.wg.Wait()
	return nil
}

func leftError(rank int) *transport.RankError {
	return &transport.RankError{Rank: rank, Err: fmt.Errorf("%w: it closed the communicator while other ranks still had it open", transport.ErrClosed)}
}
