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
	rank   int    // this one's, in the communicator that it is made of if there is one
	call   string // that makes it
	cancel context.CancelCauseFunc
	done   chan struct{}
	comm   *Comm // written before done is closed, like err
	err    error
	after  <-chan struct{} // nil, or closed when there is room to make it; see recent
}

// StartInit is Init without the wait: it returns at once. ctx is watched until the end.
// The communicator is the caller's to close, once it has been made, whether anybody
// asks for it or not.
func StartInit(ctx context.Context, cfg Config) *PendingComm {
	p, ctx := newPending(ctx, cfg.Rank, "init")
	go p.make(ctx, func() (*Comm, error) { return Init(ctx, cfg) })
	return p
}

// newPending returns a communicator that is to be made within the context that it
// returns, by make. If it is not to be made after all, cancel is called.
func newPending(ctx context.Context, rank int, call string) (*PendingComm, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	return &PendingComm{rank: rank, call: call, cancel: cancel, done: make(chan struct{})}, ctx
}

// make makes the communicator.
func (p *PendingComm) make(ctx context.Context, by func() (*Comm, error)) {
	defer close(p.done)
	defer p.cancel(nil)
	comm, err := by()
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
}

// Done is closed when the communicator has been made, or cannot be.
func (p *PendingComm) Done() <-chan struct{} { return p.done }

// Poll returns the communicator, the error that says why there is none, or
// ErrInProgress. Both are nil where Split gives none. It never waits.
func (p *PendingComm) Poll() (*Comm, error) {
	select {
	case <-p.done:
		return p.comm, p.err
	default:
		return nil, ErrInProgress
	}
}

// Wait is Poll once there is an answer. The end of ctx ends the wait, and nothing else:
// the communicator is made all the same, and whoever asks later gets it.
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
		return nil, fmt.Errorf("rank %d: %s goes on, the wait for it has ended: %w", p.rank, p.call, ctx.Err())
	}
}

// Abort gives up, as the end of the context does which the communicator is made with, and
// returns when nothing is left: within a few seconds, whatever the other ranks do. Poll
// and Wait then return an error that wraps ErrAborted. If the communicator has been made
// before, it is aborted, as by Comm.Abort, and stays what they return.
func (p *PendingComm) Abort() error {
	p.cancel(&RankError{Rank: p.rank, Doing: p.call, Err: fmt.Errorf("%w by its user", ErrAborted)})
	<-p.done
	if p.comm != nil {
		return p.comm.Abort()
	}
	return nil
}
