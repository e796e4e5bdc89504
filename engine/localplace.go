package engine

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/regroup"
)

// localPlace is a place whose ranks are goroutines of one process.
type localPlace struct {
	hub  *localHub
	rank int
}

func (l *localPlace) visit(ctx context.Context, rank int, p regroup.Proposal) (regroup.Answer, error) {
	v := l.hub.comms[rank].family.hall.Arrive(l.rank, p)
	defer v.Told()
	select {
	case a := <-v.Answer():
		return a, nil
	case <-ctx.Done():
	}
	if v.Leave(gaveUp(l.rank, context.Cause(ctx))) {
		return regroup.Answer{}, context.Cause(ctx)
	}
	return <-v.Answer(), nil // it has been decided meanwhile
}

func (l *localPlace) gone(_ context.Context, rank int) error {
	if !l.hub.comms[rank].family.hall.Closed() {
		return nil
	}
	return &RankError{Rank: rank, Err: fmt.Errorf("%w: it has closed the communicator", ErrClosed)}
}

func (l *localPlace) found(_ *Comm, members []int, cfg Config) ([]regroup.Answer, *meetingRoot, error) {
	comms, err := NewLocal(len(members), cfg)
	answers := make([]regroup.Answer, len(comms))
	for i := range answers {
		answers[i].Value = comms[i]
	}
	return answers, nil, err
}

func (l *localPlace) join(_ context.Context, _ *Comm, _ Config, a regroup.Answer) (*Comm, error) {
	return a.Value.(*Comm), nil
}

func (l *localPlace) close() {}
