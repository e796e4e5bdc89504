package engine

import (
	"context"
	"errors"
	"fmt"
)

// ErrInProgress: what was started has neither succeeded nor failed yet.
var ErrInProgress = errors.New("in progress")

// PendingComm is a communicator that is being made, as one of NCCL is whose
// configuration says that it does not block. Its methods may be called from any number
// of goroutines.
type PendingComm struct {
	rank   int
	cancel context.CancelCauseFunc
	done   chan struct{}
	comm   *Comm // written before done is closed, like err
	err    error
}

// StartInit is Init without the wait: it returns at once. ctx is watched until the end.
// The communicator is the caller's to close, once it has been made, whether anybody
// asks for it or not.
func StartInit(ctx context.Context, cfg Config) *PendingComm {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &PendingComm{rank: cfg.Rank, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer cancel(nil)
		comm, err := Init(ctx, cfg)
		if given := context.Cause(ctx); given != nil {
			// Given up, perhaps in the very moment in which it was made: then the others
			// have it, and are told.
			if comm != nil {
				_ = comm.Abort()
			}
			if err == nil || !errors.Is(err, given) {
				err = errors.Join(given, err)
			}
			comm = nil
		}
		p.comm, p.err = comm, err
	}()
	return p
}

// Done is closed when the communicator has been made, or cannot be.
func (p *PendingComm) Done() <-chan struct{} { return p.done }

// Poll returns the communicator, the error that says why there is none, or
// ErrInProgress. It never waits.
func (p *PendingComm) Poll() (*Comm, error) {
	select {
	case <-p.done:
		return p.comm, p.err
	default:
		return nil, ErrInProgress
	}
}

// Wait is Poll once there is an answer. The end of ctx ends the wait, and nothing else.
func (p *PendingComm) Wait(ctx context.Context) (*Comm, error) {
	select {
	case <-p.done:
		return p.comm, p.err
	default:
	}
	select {
	case <-p.done:
		return p.comm, p.err
	case <-ctx.Done():
		return nil, fmt.Errorf("rank %d: init goes on, the wait for it has ended: %w", p.rank, ctx.Err())
	}
}

// Abort gives up, and returns when nothing is left: within a few seconds, whatever the
// other ranks do. Poll and Wait then return an error that wraps ErrAborted. If the
// communicator has been made before, it is aborted, as by Comm.Abort, and stays what
// they return.
func (p *PendingComm) Abort() error {
	p.cancel(&RankError{Rank: p.rank, Doing: "init", Err: fmt.Errorf("%w by its user", ErrAborted)})
	<-p.done
	if p.comm != nil {
		return p.comm.Abort()
	}
	return nil
}
