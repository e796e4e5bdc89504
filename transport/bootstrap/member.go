package bootstrap

import (
	"fmt"

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
		c.inbox.put(message{l.peer, payload}, true)
	case frameVerdict:
		e, err := c.codec.decode(payload)
		if err != nil {
			return err
		}
		c.conclude(e)
	case frameReady:
		return once(c.ready)
	case frameAllBye:
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
	// If the coordinator was only asleep, it finds this when it wakes up, and
	// gives the same error as everybody else.
	l.send(frameReport, c.codec.encode(coordinatorLost), true, false)
	c.conclude(coordinatorLost)
}

// coordinatorLost is the error that every member gives: how each of them noticed
// may differ, and is in its log.
var coordinatorLost = &transport.RankError{Rank: 0, Err: fmt.Errorf("%w: the coordinator's process ended or is stuck, or its host is unreachable", transport.ErrPeerLost)}
