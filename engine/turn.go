package engine

import (
	"context"
	"sync/atomic"
)

// turn is a lock that can be waited for within a context's life. Whoever waits
// gets it in the order of asking, and where nobody does it is one atomic
// operation to take and one to give.
type turn struct {
	wanted atomic.Int64  // how many hold or want it; at most one holds it
	passed chan struct{} // has room for one token: who takes it holds the turn
}

func newTurn() turn { return turn{passed: make(chan struct{}, 1)} }

func (t *turn) take() {
	if t.wanted.Add(1) > 1 {
		<-t.passed
	}
}

func (t *turn) takeWithin(ctx context.Context) error {
	if t.wanted.Add(1) == 1 {
		return nil
	}
	select {
	case <-t.passed:
		return nil
	case <-ctx.Done():
		t.withdraw()
		return ctx.Err()
	}
}

// withdraw takes back one wish. If no other wish is left, the turn has been
// passed to this one and goes on from here.
func (t *turn) withdraw() {
	for {
		n := t.wanted.Load()
		if n == 1 {
			<-t.passed
			t.give()
			return
		}
		if t.wanted.CompareAndSwap(n, n-1) {
			return
		}
	}
}

func (t *turn) tryTake() bool { return t.wanted.CompareAndSwap(0, 1) }

func (t *turn) give() {
	if t.wanted.Add(-1) > 0 {
		t.passed <- struct{}{}
	}
}
