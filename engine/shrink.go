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
// fails if the communicator has failed, other than by Revoke, or does so meanwhile.
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
func (c *Comm) Shrink(ctx context.Context, exclude []int, flags ShrinkFlags) (*Comm, error) {
	members, err := c.survivors(exclude, flags)
	if err != nil {
		return nil, &ArgumentError{Rank: c.rank, Call: "shrink", Argument: "exclude", Err: err}
	}
	child, err := c.shrink(ctx, members, flags)
	if err != nil {
		return nil, c.failed(ctx, "shrink", err)
	}
	return child, nil
}

// survivors lists the ranks that are not excluded.
func (c *Comm) survivors(exclude []int, flags ShrinkFlags) ([]int, error) {
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

func (c *Comm) shrink(ctx context.Context, members []int, flags ShrinkFlags) (*Comm, error) {
	if c.family.ended() {
		return nil, &RankError{Rank: c.rank, Err: fmt.Errorf("communicator %w", ErrClosed)}
	}
	if flags == ShrinkAbort || c.Err() != nil { // what is in progress ends by itself then
		if c.Err() == nil {
			c.halt(&RankError{Rank: c.rank, Err: fmt.Errorf("%w: it shrinks the communicator", ErrAborted)})
		}
		c.quiesce()
	} else if err := c.flush(ctx); err != nil {
		return nil, err
	}
	revoked := c.State() == Revoked
	if err := c.Err(); err != nil && flags == ShrinkDefault && !revoked {
		return nil, fmt.Errorf("the communicator has failed; use ShrinkAbort: %w", err)
	}
	ctx, cancel := c.settle(ctx, flags == ShrinkAbort || revoked)
	defer cancel()
	m := &regroup.Meeting{Call: describeShrink(c.size, members), Differ: c.lostByOthers(members), Decide: func(own [][]byte) ([]regroup.Answer, error) {
		answers := make([]regroup.Answer, len(own))
		body := (&plan{members, newToken()}).encode()
		for i := range answers {
			answers[i].Body = body
		}
		return answers, nil
	}}
	p, err := c.regroup(ctx, members, m)
	if err != nil {
		return nil, err
	}
	if len(p.Members) == 0 {
		return nil, &RankError{Rank: members[0], Err: fmt.Errorf("%w: a plan without ranks", ErrProtocol)}
	}
	child, err := c.bear(ctx, p)
	if err != nil {
		return nil, c.unborn(ctx, err, flags == ShrinkAbort || revoked)
	}
	return child, nil
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

// regroup holds a meeting of some ranks outside of the sequence of operations. Members
// are in the order of their ranks. Ranks below all of them are told that they do not
// take part: if one does, it and the members find out that they disagree.
func (c *Comm) regroup(ctx context.Context, members []int, m *regroup.Meeting) (plan, error) {
	f := &c.family
	f.one.Lock()
	defer f.one.Unlock()
	p, err := c.regroupOnce(ctx, members, m)
	if err != nil {
		f.round++
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
