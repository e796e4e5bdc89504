package bootstrap

import (
	"fmt"
	"time"

	"github.com/monel-dev/monel/transport"
)

// fromCoordinator handles a frame that the coordinator sent.
func (c *Control) fromCoordinator(l *link, t frameType, payload []byte) error {
	once := func(ch chan struct{}) error {
		select {
		case <-ch:
			return fmt.Errorf("%w: control frame of type %d twice", transport.ErrProtocol, t)
		default:
		}
		if len(payload) != 0 {
			return fmt.Errorf("%w: control frame of type %d with a payload", transport.ErrProtocol, t)
		}
		close(ch)
		return nil
	}
	switch t {
	case frameMessage:
		c.inbox.put(message{from: l.peer, payload: payload}, true)
	case frameVerdict:
		e, err := c.codec.decode(payload)
		if err != nil {
			return err
		}
		c.inOrder(func() { c.conclude(e) })
	case frameReady:
		return once(c.ready)
	case frameAllBye:
		c.mu.Lock()
		leaving := c.leaving
		c.mu.Unlock()
		if !leaving { // believed, nothing would be heard of the others any more
			return fmt.Errorf("%w: the coordinator says that all have left, and this rank has not", transport.ErrProtocol)
		}
		return once(c.allBye)
	default:
		return fmt.Errorf("%w: control frame of type %d from the coordinator", transport.ErrProtocol, t)
	}
	return nil
}

// coordinatorDown is called when the link to the coordinator has ended.
func (c *Control) coordinatorDown(l *link, err error) {
	select {
	case <-c.allBye:
		return
	default:
	}
	if c.Err() == nil {
		c.cfg.Logger.Warn("lost the coordinator", "rank", c.rank, "reason", err.Error())
	}
	c.desert(l)
}

// Desert gives the coordinator up if nothing has come from it for so long, with the
// error that members give when it is lost, and reports whether it has. It is for callers
// that know better than the control plane how urgent an answer is, and ask every tenth of
// a second or so: only the second of two calls in which the coordinator is silent gives it
// up, since this process may have slept before the first. The coordinator itself has
// nobody to give up.
func (c *Control) Desert(silence time.Duration) bool {
	c.mu.Lock()
	l := c.links[0]
	c.mu.Unlock()
	if l == nil || !l.silent(silence) {
		return false
	}
	c.desert(l)
	return true
}

// desert tells the coordinator at once, while the link can be written to, and concludes
// when all has been delivered that came before, which may say more.
func (c *Control) desert(l *link) {
	c.mu.Lock()
	over := c.verdict != nil
	c.mu.Unlock()
	if over {
		return
	}
	// If the coordinator was only asleep, it finds this when it wakes up, and
	// gives the same error as everybody else.
	l.send(frameReport, c.codec.encode(coordinatorLost), true, false)
	c.inOrder(func() { c.conclude(coordinatorLost) })
}

// coordinatorLost is the error that every member gives: how each of them noticed
// may differ, and is in its log.
var coordinatorLost = &transport.RankError{Rank: 0, Err: fmt.Errorf("%w: the coordinator's process ended or is stuck, or its host is unreachable", transport.ErrPeerLost)}
