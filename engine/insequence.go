package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/regroup"
	"github.com/monel-dev/monel/strided"
)

// inSequence holds a meeting of all ranks as an operation of the communicator, so that
// whoever calls something else is found.
func (c *Comm) inSequence(ctx context.Context, call agree.Call, m *regroup.Meeting) (a regroup.Answer, err error) {
	t := c.sequenced(call, m, &a)
	if c.queue.busy() {
		err = c.runTask(ctx, t)
	} else {
		err = c.run(ctx, &call, strided.Logical, t.onHost)
	}
	return a, err
}

// startInSequence is inSequence without the wait: beside the calls that follow, bear waits
// by met until all ranks have met, and makes the communicator of the answer.
func (c *Comm) startInSequence(ctx context.Context, call agree.Call, m *regroup.Meeting,
	bear func(within context.Context, met func() (regroup.Answer, error)) (*Comm, error)) (*PendingComm, error) {
	if err := c.member.Broken(); err != nil {
		return nil, c.explain(err, &call)
	}
	p, within, err := c.pendingChild(ctx, call.Kind.String())
	if err != nil {
		return nil, err
	}
	var a regroup.Answer
	t := c.sequenced(call, m, &a)
	meet := t.onHost
	t.onHost = func(o agree.Op) error {
		c.family.recent.add(p)
		return meet(o)
	}
	w, err := c.startTask(within, t, nil)
	if err != nil {
		c.family.forget(p)
		return nil, err
	}
	met := func() (regroup.Answer, error) {
		<-w.done // the end of within aborts it
		if w.err == nil {
			p.awaitRoom(within)
		}
		return a, w.err
	}
	return c.family.raised(within, p, func() (*Comm, error) { return bear(within, met) }), nil
}

// sequenced is the operation of a meeting of all ranks.
func (c *Comm) sequenced(call agree.Call, m *regroup.Meeting, a *regroup.Answer) *task {
	t := &task{call: call, walk: strided.Logical}
	t.onHost = func(o agree.Op) (err error) {
		m.Topic, m.Members, m.Once = fmt.Sprint("op ", o.Seq), inRankOrder(c.size), true
		m.Call = fmt.Sprintf("%v %#x", &t.call, o.Sig)
		*a, err = c.decided(o.Stop, m)
		var verdict *MismatchError
		if errors.As(err, &verdict) {
			// All ranks hear who called what from the coordinator.
			c.member.Dispute(o)
			select {
			case <-o.Stop.Done():
			case <-time.After(verdictWait):
			}
		}
		return err
	}
	return t
}
