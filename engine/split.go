package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/regroup"
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
// default unless the option Named gives another, and are independent of it from then on: it
// may be used at the same time, or closed. Comm.ParentRanks tells who is who. Split works on
// a communicator that has been revoked, too.
//
// It returns when all ranks of the new communicator have joined it, within
// Config.Timeout for ranks to come and Config.InitTimeout for joining. Errors are
// those of collectives and of Init. A RankError has the number in this communicator; where
// the text goes on with the new one's numbers, it says so.
// If this communicator fails before all have come to the call, its error is returned, also
// on ranks whose new one does not need the lost rank. After that, a rank that has its new
// communicator may Close, Abort or Revoke this one at once: if it ends for whatever reason
// but the loss of a rank, the others still have two seconds to join.
func (c *Comm) Split(ctx context.Context, color, key int, options ...ChildOption) (*Comm, error) {
	call := agree.NewCall(agree.Split, 0, 0, 0, nil)
	m, err := splitMeeting(color, key)
	if err != nil {
		return nil, c.refuse(&call, "color", err)
	}
	if c.State() == Revoked {
		return c.splitRevoked(ctx, m, c.regroup, options)
	}
	a, err := c.inSequence(ctx, call, m)
	if err != nil {
		return nil, err
	}
	return c.splitAs(ctx, a, options)
}

// StartSplit is Split without the wait. It takes its place among the calls of this
// communicator, as StartAllReduce does, and returns; calls that follow wait until all
// ranks have come to it, but not until they have joined the new communicators, which
// happens beside them.
//
// A bad color is an error here, which the other ranks hear in its turn. Until all ranks
// have come, the end of ctx, or PendingComm.Abort, aborts this communicator, as with every
// call that others count on. After that it gives up the new one alone, which the ranks that
// would have been in it hear. If this rank closes or aborts this communicator before the
// new one has been made, that is not made; Finalize waits for it.
func (c *Comm) StartSplit(ctx context.Context, color, key int, options ...ChildOption) (*PendingComm, error) {
	call := agree.NewCall(agree.Split, 0, 0, 0, nil)
	m, err := splitMeeting(color, key)
	if err != nil {
		return nil, c.refuseLater(call, "color", err)
	}
	if c.State() == Revoked {
		return c.startInLine(ctx, "split", func(within context.Context) (*Comm, error) { return c.splitRevoked(within, m, c.regroupNow, options) })
	}
	return c.startInSequence(ctx, call, m, func(within context.Context, met func() (regroup.Answer, error)) (*Comm, error) {
		a, err := met()
		if err != nil {
			return nil, err
		}
		return c.splitAs(within, a, options)
	})
}

// splitMeeting is the meeting of a split. The error is about the color.
func splitMeeting(color, key int) (*regroup.Meeting, error) {
	if color < NoColor {
		return nil, fmt.Errorf("%d; give 0 or more, or NoColor", color)
	}
	own, err := json.Marshal(regroup.Choice{Color: color, Key: key})
	if err != nil {
		return nil, err
	}
	return &regroup.Meeting{Own: own, Call: "split of a revoked communicator", Decide: splitPlans}, nil
}

// splitRevoked makes the communicator when all ranks of a revoked one have met by regroup.
func (c *Comm) splitRevoked(ctx context.Context, m *regroup.Meeting, regroup func(context.Context, []int, *regroup.Meeting) (plan, error), options []ChildOption) (*Comm, error) {
	within, cancel := c.settle(ctx)
	p, err := regroup(within, inRankOrder(c.size), m)
	cancel()
	if err != nil {
		return nil, err
	}
	return c.splitOff(ctx, p, true, options)
}

// splitAs makes the communicator that the meeting of a split has decided on.
func (c *Comm) splitAs(ctx context.Context, a regroup.Answer, options []ChildOption) (*Comm, error) {
	p, err := c.readPlan(0, a.Body)
	if err != nil {
		return nil, err
	}
	return c.splitOff(ctx, p, false, options)
}

func (c *Comm) splitOff(ctx context.Context, p plan, mayFail bool, options []ChildOption) (*Comm, error) {
	if len(p.Members) == 0 {
		return nil, nil
	}
	within, cancel := c.settle(ctx)
	defer cancel()
	within, joined := c.joining(within, mayFail)
	defer joined()
	child, err := c.bear(within, p, options)
	if err != nil {
		return nil, c.failed(ctx, "split", c.unborn(within, err, mayFail))
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
