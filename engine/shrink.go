package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/regroup"
)

// ShrinkFlags say in which state Shrink finds a communicator; the values equal
// NCCL_SHRINK_DEFAULT and NCCL_SHRINK_ABORT.
type ShrinkFlags int

const (
	// ShrinkDefault is for a communicator that works. It goes on working.
	ShrinkDefault ShrinkFlags = 0
	// ShrinkAbort is for one that may have failed: what is in progress on it is ended
	// first, on all ranks, and it cannot be used afterwards. Close is still to be called.
	ShrinkAbort ShrinkFlags = 1
)

// Shrink makes a communicator of this one's ranks without those excluded. The others,
// and only they, call it with the same list, in any order; they keep their order, and
// Comm.ParentRanks tells who is who. The new communicator has this one's configuration
// and is independent of it.
//
// With ShrinkDefault it begins when what this rank has called before has ended, and
// fails if the communicator has failed, other than by Revoke, or does so before all have
// agreed; after that they have two seconds to join the new one, as with Split.
// With ShrinkAbort it does not need the communicator's coordinator, rank 0, nor any
// other rank in particular: survivors find each other by the addresses that they know.
//
// Survivors that name different ranks get a *MismatchError that says who named whom. A
// rank that is found dead and was not excluded gives all survivors a *RankError that
// names it and wraps ErrPeerLost; they may call Shrink again without it:
//
//	for {
//		next, err := comm.Shrink(ctx, lost, engine.ShrinkAbort)
//		var re *engine.RankError
//		if !errors.As(err, &re) || !errors.Is(err, engine.ErrPeerLost) {
//			return next, err
//		}
//		lost = append(lost, re.Rank)
//	}
//
// A survivor that does not come is named, with ErrTimeout, after Config.InitTimeout,
// which bounds the whole call. An excluded rank that lives is not asked, and a group of
// survivors that agree does not wait for others who name other ranks.
func (c *Comm) Shrink(ctx context.Context, exclude []int, flags ShrinkFlags, options ...ChildOption) (*Comm, error) {
	members, err := c.survivors(exclude, flags)
	if err != nil {
		return nil, err
	}
	child, err := c.shrink(ctx, members, flags, options)
	if err != nil {
		return nil, c.failed(ctx, "shrink", err)
	}
	return child, nil
}

// StartShrink is Shrink without the wait. With ShrinkDefault it begins when what this rank
// has called before has ended, and does not hold up what follows, which may be calls of
// the excluded ranks, too; with ShrinkAbort it ends what is in progress before it returns.
// Shrinks of a communicator are carried out in the order in which they are started.
//
// Bad arguments are an error here. The end of ctx, or PendingComm.Abort, gives up the new
// communicator alone; survivors that wait for this rank in the same call hear of it. If this
// rank closes or aborts this communicator before the new one has been made, that is not
// made; Finalize waits for it.
func (c *Comm) StartShrink(ctx context.Context, exclude []int, flags ShrinkFlags, options ...ChildOption) (*PendingComm, error) {
	members, err := c.survivors(exclude, flags)
	if err != nil {
		return nil, err
	}
	s := shrinking{c: c, members: members, flags: flags, options: options}
	if err := s.halt(); err != nil {
		return nil, c.failed(ctx, "shrink", err)
	}
	if !s.halted {
		if s.earlier, err = c.startMark(ctx); err != nil {
			return nil, c.failed(ctx, "shrink", err)
		}
	}
	return c.startInLine(ctx, "shrink", func(within context.Context) (*Comm, error) {
		child, err := s.make(within, c.regroupNow)
		if err != nil {
			return nil, c.failed(within, "shrink", err)
		}
		return child, nil
	})
}

// survivors lists the ranks that are not excluded.
func (c *Comm) survivors(exclude []int, flags ShrinkFlags) ([]int, error) {
	members, err := c.notExcluded(exclude, flags)
	if err != nil {
		return nil, &ArgumentError{Rank: c.rank, Call: "shrink", Argument: "exclude", Err: err}
	}
	return members, nil
}

func (c *Comm) notExcluded(exclude []int, flags ShrinkFlags) ([]int, error) {
	for _, rank := range exclude {
		if rank < 0 || rank >= c.size {
			return nil, fmt.Errorf("%d is not a rank of this communicator of %d", rank, c.size)
		}
		if rank == c.rank {
			return nil, fmt.Errorf("rank %d is this one; excluded ranks do not call Shrink", rank)
		}
	}
	if flags != ShrinkDefault && flags != ShrinkAbort {
		return nil, fmt.Errorf("flags %d; use ShrinkDefault or ShrinkAbort", flags)
	}
	return slices.DeleteFunc(inRankOrder(c.size), func(rank int) bool { return slices.Contains(exclude, rank) }), nil
}

func (c *Comm) shrink(ctx context.Context, members []int, flags ShrinkFlags, options []ChildOption) (*Comm, error) {
	s := shrinking{c: c, members: members, flags: flags, options: options}
	if err := s.halt(); err != nil {
		return nil, err
	}
	if !s.halted {
		if err := c.flush(ctx); err != nil {
			return nil, err
		}
	}
	return s.make(ctx, c.regroup)
}

// shrinking is one call that makes a communicator without some ranks.
type shrinking struct {
	c       *Comm
	members []int
	flags   ShrinkFlags
	options []ChildOption
	halted  bool  // what is in progress has been ended, or ends by itself
	earlier *Work // ends with the calls before, unless those are halted or have ended
	mayFail bool  // the communicator, or has done so
}

// halt ends what is in progress, if it is to be ended.
func (s *shrinking) halt() error {
	switch err := s.c.Err(); {
	case s.c.family.ended():
		return s.c.hasClosed()
	case err == nil && s.flags == ShrinkDefault:
		return nil
	case err == nil:
		s.c.halt(&RankError{Rank: s.c.rank, Err: fmt.Errorf("%w: it shrinks the communicator", ErrAborted)})
	}
	s.halted = true
	return s.checkState()
}

// checkState returns why a communicator in this state cannot be shrunk, if so.
func (s *shrinking) checkState() error {
	revoked := s.c.State() == Revoked
	s.mayFail = s.flags == ShrinkAbort || revoked
	if err := s.c.Err(); err != nil && !s.mayFail {
		return fmt.Errorf("the communicator has failed; use ShrinkAbort: %w", err)
	}
	return nil
}

// settle waits until nothing is in progress any more that the call is to follow, and
// returns the context of what is to be done then.
func (s *shrinking) settle(ctx context.Context) (within context.Context, cancel context.CancelFunc, err error) {
	if s.earlier != nil {
		err = awaitTurn(ctx, s.earlier)
	}
	if err == nil && !s.halted {
		err = s.checkState()
	}
	if err != nil {
		return nil, nil, err
	}
	within, cancel = s.c.settle(ctx)
	if s.halted {
		err = s.c.quiesce(within)
	}
	if err != nil {
		cancel()
	}
	return within, cancel, err
}

// make makes the communicator when all members have met by regroup.
func (s *shrinking) make(ctx context.Context, regroup func(context.Context, []int, *regroup.Meeting) (plan, error)) (*Comm, error) {
	within, cancel, err := s.settle(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	meeting, met := s.c.whileUp(within, s.mayFail)
	p, err := regroup(meeting, s.members, s.meeting())
	met()
	if err != nil {
		return nil, err
	}
	if len(p.Members) == 0 {
		return nil, &RankError{Rank: s.members[0], Err: fmt.Errorf("%w: a plan without ranks", ErrProtocol)}
	}
	within, joined := s.c.joining(within, s.mayFail)
	defer joined()
	child, err := s.c.bear(within, p, s.options)
	if err != nil {
		return nil, s.c.unborn(within, err, s.mayFail)
	}
	return child, nil
}

func (s *shrinking) meeting() *regroup.Meeting {
	return &regroup.Meeting{Call: describeShrink(s.c.size, s.members), Differ: s.c.lostByOthers(s.members), Decide: func(own [][]byte) ([]regroup.Answer, error) {
		answers := make([]regroup.Answer, len(own))
		body := (&plan{s.members, newToken()}).encode()
		for i := range answers {
			answers[i].Body = body
		}
		return answers, nil
	}}
}

func describeShrink(size int, members []int) string {
	out := slices.DeleteFunc(inRankOrder(size), func(rank int) bool { return slices.Contains(members, rank) })
	if len(out) == 0 {
		return "shrink without excluding any rank"
	}
	return "shrink without " + agree.RankList(out)
}

// lostByOthers finds, where survivors do not exclude the same ranks, one that some of
// them have not excluded although it is dead: to know that helps them more than to know
// that they disagree.
func (c *Comm) lostByOthers(members []int) func(context.Context, []regroup.Proposal) error {
	return func(ctx context.Context, others []regroup.Proposal) error {
		for _, o := range others {
			for rank := range c.size {
				if rank == c.rank || slices.Contains(members, rank) == slices.Contains(o.Members, rank) {
					continue
				}
				if err := c.family.place.gone(ctx, rank); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// regroupNow holds a meeting of some ranks outside of the sequence of operations, whose
// turn has come. Members are in the order of their ranks. Ranks below all of them are told
// that they do not take part: if one does, it and the members find out that they disagree.
func (c *Comm) regroupNow(ctx context.Context, members []int, m *regroup.Meeting) (plan, error) {
	p, err := c.regroupOnce(ctx, members, m)
	if err != nil {
		c.family.round++
	}
	var mismatch *MismatchError
	if errors.As(err, &mismatch) { // who has found it may not know where this rank stands
		err = agree.NewMismatch(m.Seq, m.Broken, slices.Clone(mismatch.Groups))
	}
	return p, err
}

func (c *Comm) regroupOnce(ctx context.Context, members []int, m *regroup.Meeting) (plan, error) {
	f := &c.family
	m.Seq, m.Broken = c.member.Next(), c.Err() != nil
	m.Topic, m.Members, m.Round = "regroup", members, f.round
	notice := regroup.Proposal{Topic: m.Topic, Call: m.Call, Members: members, Round: m.Round, Notice: true}
	if err := f.hall.Owed(&notice); err != nil {
		return plan{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var notices sync.WaitGroup
	defer notices.Wait()
	defer cancel(nil)
	for rank := range members[0] {
		notices.Go(func() {
			a, err := c.family.place.visit(ctx, rank, notice)
			if err == nil && a.Err != nil && !errors.Is(a.Err, ErrClosed) {
				cancel(a.Err)
			}
		})
	}
	a, err := c.decided(ctx, m)
	if err != nil {
		return plan{}, err
	}
	return c.readPlan(members[0], a.Body)
}
