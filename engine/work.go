package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/monel-dev/monel/engine/internal/agree"
)

// Work is a collective that has been started. Its methods may be called from any
// number of goroutines.
type Work struct {
	rank   int
	kind   agree.Collective
	run    func() error
	joined func() // called when the work is certain to come to its turn
	state  atomic.Uint32
	err    error // written before done is closed
	done   chan struct{}
	next   *Work // in the queue
	waits  bool  // whoever pushes it does nothing else until it has ended
	here   bool  // and carries it out; see queue.push
}

// The states of a Work, of which only the first can be left by somebody else than
// the one that carries it out.
const (
	workQueued uint32 = iota
	workTaken
	workWithdrawn
)

// Done is closed when the collective has ended on this rank: then its tensors are
// the caller's again.
func (w *Work) Done() <-chan struct{} { return w.done }

// Err is the collective's error, nil if it succeeded or is still in progress.
func (w *Work) Err() error {
	select {
	case <-w.done:
		return w.err
	default:
		return nil
	}
}

// Wait waits until the collective has ended and returns its error. The end of ctx
// ends the wait, not the collective: its tensors stay borrowed.
func (w *Work) Wait(ctx context.Context) error {
	select {
	case <-w.done:
		return w.err
	default:
	}
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return fmt.Errorf("rank %d: %v goes on, the wait for it has ended: %w", w.rank, w.kind, ctx.Err())
	}
}
