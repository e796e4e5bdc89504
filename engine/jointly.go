package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/monel-dev/monel/engine/internal/regroup"
)

const (
	// tellTime bounds how long a rank that gives up a new communicator tells the others,
	// and toldAtOnce how many at a time.
	tellTime   = time.Second
	toldAtOnce = 16
)

// givenUp is what another rank has said when it gave up.
type givenUp struct{ error }

func (g givenUp) Unwrap() error { return g.error }

// jointly makes a communicator of members of this one, which have met and know it by a
// name that is used once. One that gives up tells the others by way of their halls: it may
// not have come to where the new communicator's ranks meet, and then nobody would miss it
// there before its time is up.
func (c *Comm) jointly(ctx context.Context, name string, members []int, make func(ctx context.Context) (*Comm, error)) (*Comm, error) {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var told error
	stop := c.family.hall.Watch(name, func(g regroup.GivenUp) {
		if told != nil {
			return // by another one before
		}
		told = &RankError{Rank: g.Rank, Err: ErrAborted}
		if a, err := regroup.DecodeAnswer(g.Why, g.Rank, c.size); err == nil && a.Err != nil {
			told = a.Err
		}
		cancel(told)
	})
	child, err := make(within)
	if errors.Is(err, ErrPeerLost) || errors.Is(err, ErrClosed) {
		timer := time.NewTimer(soonGrace) // to hear why it has left
		defer timer.Stop()
		select {
		case <-within.Done():
		case <-timer.C:
		}
	}
	stop()
	switch ended := context.Cause(ctx); {
	case told != nil:
		if child != nil { // without that rank it is of no use
			_ = child.Abort()
		}
		return nil, givenUp{told}
	case err == nil || ended == nil:
	case errors.Is(ended, ErrTimeout), !c.family.ended() && c.control != nil && c.whyFailed() != nil && errors.Is(ended, c.whyFailed()):
		// The others' time is up as well. So it is about when that of the old communicator's
		// end is; but if this rank has ended it, they are told, and need not wait for that.
	default:
		c.tellGivenUp(ctx, name, members)
	}
	return child, err
}

// tellGivenUp tells the other members that this rank has given up because ctx has ended.
func (c *Comm) tellGivenUp(ctx context.Context, name string, members []int) {
	why, err := regroup.EncodeAnswer(&regroup.Answer{Err: gaveUp(c.rank, context.Cause(ctx))})
	if err != nil {
		return
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	room := make(chan struct{}, toldAtOnce)
	var all sync.WaitGroup
	for _, rank := range members {
		if rank == c.rank {
			continue
		}
		room <- struct{}{}
		all.Go(func() {
			_, _ = c.family.place.visit(within, rank, regroup.Proposal{Topic: name, GaveUp: true, Own: why})
			<-room
		})
	}
	all.Wait()
}
