package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/monel-dev/monel/transport"
)

// flushTime bounds how long the coordinator holds its own verdict back until it
// has been sent to everybody. Were it shown earlier, this process could end
// before the others hear whose fault it was.
const flushTime = 250 * time.Millisecond

// fromMember handles a frame that a member sent.
func (c *Control) fromMember(l *link, t frameType, payload []byte) error {
	switch t {
	case frameMessage:
		c.inbox.put(message{from: l.peer, payload: payload}, true)
	case frameReport:
		e, err := c.codec.decode(payload)
		if err != nil {
			return err
		}
		if l.reported && !c.isDesertion(l.peer, e) {
			return nil // the first one is waiting already
		}
		l.reported = true
		l.deserted = c.report(l.peer, e) || l.deserted
	case frameBye:
		if len(payload) != 0 {
			return fmt.Errorf("%w: farewell with a payload", transport.ErrProtocol)
		}
		c.bye(l.peer)
	default:
		return fmt.Errorf("%w: control frame of type %d from a member", transport.ErrProtocol, t)
	}
	return nil
}

// memberDown is called when a member's link has ended.
func (c *Control) memberDown(l *link, err error) {
	c.mu.Lock()
	left := c.left[l.peer]
	over := c.verdict != nil || c.closed || c.allLeft
	c.mu.Unlock()
	switch {
	case over:
	case l.deserted: // and ends its link; what follows from that is being settled
	case left && !errors.Is(err, transport.ErrProtocol):
		c.blame(leftError(l.peer))
	case errors.Is(err, os.ErrDeadlineExceeded) && c.alone():
		// It is this rank that has lost touch.
		c.cfg.Logger.Warn("heard nothing from any rank", "for", c.cfg.LostAfter)
		c.settle(coordinatorLost)
	default:
		c.cfg.Logger.Warn("lost a rank", "rank", l.peer, "reason", err.Error())
		c.blame(&transport.RankError{Rank: l.peer, Err: lossText(err, c.cfg.LostAfter)})
	}
	if !left {
		l.cut()
	}
}

// alone reports whether all other ranks, of which there are some, have been silent for
// about as long as it takes to count as lost.
func (c *Control) alone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := 1; r < c.size; r++ {
		if l := c.links[r]; l == nil || l.silence() < c.cfg.LostAfter/2 {
			return false
		}
	}
	return c.size > 2
}

// bye notes that a rank leaves in order.
func (c *Control) bye(rank int) {
	c.mu.Lock()
	all := !c.left[rank]
	c.left[rank] = true
	for _, left := range c.left {
		all = all && left
	}
	all = all && c.verdict == nil
	c.allLeft = c.allLeft || all
	c.mu.Unlock()
	if all {
		sent := c.broadcast(frameAllBye, nil)
		c.flushed(sent)
		close(c.allBye)
	}
}

// settle makes e the verdict if there is none yet: everybody is told, then Done
// is closed.
func (c *Control) settle(e *transport.RankError) {
	c.mu.Lock()
	if c.verdict != nil {
		c.mu.Unlock()
		return
	}
	e = c.codec.normal(e)
	c.verdict = e
	if c.allLeft { // nobody else cares
		close(c.done)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	sent := c.broadcast(frameVerdict, c.codec.encode(e))
	c.flushed(sent)
	close(c.done)
}

// flushed waits until all of sent is closed, in bounded time.
func (c *Control) flushed(sent []<-chan struct{}) {
	timer := time.NewTimer(flushTime)
	defer timer.Stop()
	for _, s := range sent {
		select {
		case <-s:
		case <-timer.C:
			return
		}
	}
}
