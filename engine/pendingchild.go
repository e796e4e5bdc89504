package engine

import (
	"context"
	"fmt"
)

// atOnce is how many communicators whose ranks have met in the sequence of operations are
// made side by side.
const atOnce = 16

// recent tells when the latest of them have been made. It belongs to whoever has the turn
// in the sequence.
type recent struct {
	done [atOnce]<-chan struct{}
	next int
}

// add puts a communicator behind the others.
func (r *recent) add(p *PendingComm) {
	p.after, r.done[r.next] = r.done[r.next], p.done
	r.next = (r.next + 1) % atOnce
}

// awaitRoom waits until there are few enough before p, or until it has been given up,
// which the ranks that wait for it are still to hear. The first that is not made yet never
// waits here, on any rank, so it is made, and the next one becomes the first.
func (p *PendingComm) awaitRoom(ctx context.Context) {
	if p.after == nil {
		return
	}
	select {
	case <-p.after:
	case <-ctx.Done():
	}
}

// pendingChild returns a communicator that is to be made of this one's ranks, by a call,
// within the context that it returns. Close waits for it.
func (c *Comm) pendingChild(ctx context.Context, call string) (*PendingComm, context.Context, error) {
	p, within := newPending(ctx, c.rank, call)
	f := &c.family
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended() {
		p.cancel(nil)
		return nil, nil, c.hasClosed()
	}
	if f.pending == nil {
		f.pending = map[*PendingComm]struct{}{}
	}
	f.pending[p] = struct{}{}
	return p, within, nil
}

// forget takes a communicator off those that Close waits for, since it was not started.
func (f *family) forget(p *PendingComm) {
	p.cancel(nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.pending, p)
}

// raised makes a communicator of pendingChild, beside the caller.
func (f *family) raised(ctx context.Context, p *PendingComm, by func() (*Comm, error)) *PendingComm {
	go func() {
		p.make(ctx, by)
		f.forget(p)
	}()
	return p
}

// settled waits, within ctx, until all communicators that have been started have been
// made, or cannot be.
func (f *family) settled(ctx context.Context) error {
	f.mu.Lock()
	all := make([]*PendingComm, 0, len(f.pending))
	for p := range f.pending {
		all = append(all, p)
	}
	f.mu.Unlock()
	for _, p := range all {
		select {
		case <-p.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// hasClosed is the error of a call after Close.
func (c *Comm) hasClosed() error {
	return &RankError{Rank: c.rank, Err: fmt.Errorf("communicator %w", ErrClosed)}
}
