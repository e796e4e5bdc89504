package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/regroup"
	"github.com/monel-dev/monel/strided"
)

// NoColor, as the color of Split, is for ranks that shall be in no new communicator;
// it equals NCCL_SPLIT_NOCOLOR.
const NoColor = -1

// Split makes new communicators of this one's ranks: those that give the same color
// come together, ordered by key and, where keys are equal, by rank. A rank whose color
// is NoColor gets nil. Other colors are 0 or greater; keys may be any number.
//
// All ranks call Split, in the same place of their sequence of calls on this
// communicator, whatever their colors; it begins when calls made before have ended. The
// new communicators have this one's configuration, but for Config.Name, which is the
// default, and are independent of it from then on: it may be used at the same time, or
// closed. Comm.ParentRanks tells who is who. Split works on a communicator that has been
// revoked, too.
//
// It returns when all ranks of the new communicator have joined it, within
// Config.Timeout for ranks to come and Config.InitTimeout for joining. Errors are
// those of collectives and of Init. A RankError has the number in this communicator; where
// the text goes on with the new one's numbers, it says so.
// If this communicator fails meanwhile, its error is returned, also on ranks whose new one
// does not need the lost rank.
func (c *Comm) Split(ctx context.Context, color, key int) (*Comm, error) {
	call := agree.NewCall(agree.Split, 0, 0, 0, nil)
	if color < NoColor {
		return nil, c.refuse(&call, "color", fmt.Errorf("%d; give 0 or more, or NoColor", color))
	}
	own, err := json.Marshal(regroup.Choice{Color: color, Key: key})
	if err != nil {
		return nil, err
	}
	m := &regroup.Meeting{Own: own, Call: "split of a revoked communicator", Decide: func(own [][]byte) ([]regroup.Answer, error) { return splitPlans(own) }}
	revoked := c.State() == Revoked
	var p plan
	if revoked {
		within, cancel := c.settle(ctx, true)
		p, err = c.regroup(within, inRankOrder(c.size), m)
		cancel()
	} else {
		var a regroup.Answer
		if a, err = c.inSequence(ctx, call, m); err == nil {
			p, err = c.readPlan(0, a.Body)
		}
	}
	if err != nil || len(p.Members) == 0 {
		return nil, err
	}
	within, cancel := c.settle(ctx, revoked)
	defer cancel()
	child, err := c.bear(within, p)
	if err != nil {
		return nil, c.failed(ctx, "split", c.unborn(within, err, revoked))
	}
	return child, nil
}

// splitPlans makes each rank's plan from the choices of all.
func splitPlans(own [][]byte) ([]regroup.Answer, error) {
	choices := make([]regroup.Choice, len(own))
	for rank, b := range own {
		if err := json.Unmarshal(b, &choices[rank]); err != nil {
			return nil, &RankError{Rank: rank, Err: fmt.Errorf("%w: %w", ErrProtocol, err)}
		}
	}
	answers := make([]regroup.Answer, len(own))
	for rank := range answers {
		answers[rank].Body = (&plan{}).encode()
	}
	for _, members := range regroup.Split(choices) {
		body := (&plan{members, newToken()}).encode()
		for _, rank := range members {
			answers[rank].Body = body
		}
	}
	return answers, nil
}

// inSequence holds a meeting of all ranks as an operation of the communicator, so that
// whoever calls something else is found.
func (c *Comm) inSequence(ctx context.Context, call agree.Call, m *regroup.Meeting) (regroup.Answer, error) {
	var a regroup.Answer
	meet := func(o agree.Op) (err error) {
		m.Topic, m.Members, m.Once = fmt.Sprint("op ", o.Seq), inRankOrder(c.size), true
		m.Call = fmt.Sprintf("%v %#x", &call, o.Sig)
		a, err = c.decided(o.Stop, m)
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
	var err error
	if c.queue.busy() {
		err = c.runTask(ctx, &task{call: call, walk: strided.Logical, onHost: meet})
	} else {
		err = c.run(ctx, &call, strided.Logical, meet)
	}
	return a, err
}

// decided is attend that also works for a rank on its own.
func (c *Comm) decided(ctx context.Context, m *regroup.Meeting) (regroup.Answer, error) {
	if len(m.Members) > 1 {
		return c.attend(ctx, m)
	}
	answers, err := m.Decide([][]byte{m.Own})
	if err != nil {
		return regroup.Answer{}, err
	}
	return answers[0], nil
}
