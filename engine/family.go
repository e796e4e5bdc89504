package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/monel-dev/monel/engine/internal/regroup"
)

// family is what a communicator needs so that others can be made of its ranks.
type family struct {
	hall  *regroup.Hall
	place place // nil in a world of one

	// origin is the ranks, by this communicator's, of the one that it was made of;
	// nil if it was not made of one, or of ranks that need no telling apart.
	origin []int

	line   queue         // of meetings outside of the sequence, one at a time
	round  int           // how many of them have failed; of whose turn it is
	recent recent        // of whose turn it is in the sequence of operations
	ending chan struct{} // closed when Close begins
	once   sync.Once

	mu      sync.Mutex
	growth  *meetingRoot              // made by GrowID and not used yet
	pending map[*PendingComm]struct{} // started to be made of this one
}

// place is how ranks go to each other's halls without the control plane.
type place interface {
	// visit takes a proposal to another rank and waits for the answer. An error is
	// about the way there; what the other rank has to say is in the answer.
	visit(ctx context.Context, rank int, p regroup.Proposal) (regroup.Answer, error)
	// gone says why a rank cannot come to a meeting any more, or returns nil.
	gone(ctx context.Context, rank int) error
	// found makes the answers from which the members of a new communicator can join
	// it, on the first of them, whose configuration cfg is: at a root, if they need one.
	found(c *Comm, members []int, cfg Config) ([]regroup.Answer, *meetingRoot, error)
	// join makes the new communicator from an answer.
	join(ctx context.Context, c *Comm, cfg Config, a regroup.Answer) (*Comm, error)
	// close frees what other ranks' visits hold.
	close()
}

func (f *family) init(rank int) {
	f.hall = regroup.NewHall(rank)
	f.ending = make(chan struct{})
}

// end is the beginning of Close: whoever waits for this rank hears that it leaves.
func (f *family) end() {
	f.once.Do(func() {
		close(f.ending)
		f.hall.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.growth != nil {
			f.growth.leave(context.Background(), nil)
			f.growth = nil
		}
	})
}

func (f *family) ended() bool {
	select {
	case <-f.ending:
		return true
	default:
		return false
	}
}

// settle returns a context for making a new communicator: it ends with ctx, with the
// time that Init may take, and when this rank closes or aborts this communicator; the
// cause names it then. That another rank does so is for whileUp and joining.
func (c *Comm) settle(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithTimeoutCause(ctx, c.cfg.InitTimeout,
		fmt.Errorf("%w after %v: %w", ErrTimeout, c.cfg.InitTimeout, context.DeadlineExceeded))
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		select {
		case <-c.family.ending:
			why := c.member.Broken() // by Abort, which has closed it
			if why == nil || errors.Is(why, ErrClosed) {
				why = c.hasClosed()
			}
			cancel(why)
		case <-done:
		}
	}()
	return ctx, func() { close(done); cancel(nil); stop() }
}

// whyFailed is why the communicator has failed on all ranks, or nil. A verdict on one of
// its operations counts first: ranks that have heard it close their control links.
func (c *Comm) whyFailed() error {
	select {
	case <-c.member.Over():
		return c.member.Broken()
	default:
		return c.control.Err()
	}
}

// heardWait is how long a rank whose new communicator did not come to be waits to hear
// that the old one has failed.
const heardWait = time.Second

// unborn is why a new communicator did not come to be. If that is because some rank has
// given up, it may have done so because the old one has failed, of which this rank hears
// a little later; then that is the reason, unless it does not matter. Once the time of
// ctx is up, this rank need not have been told of anything; unless it was up long ago, so
// that this process has slept: it has not read then what others make of that.
func (c *Comm) unborn(ctx context.Context, err error, mayFail bool) error {
	if mayFail || c.control == nil {
		return err
	}
	up := ctx.Done()
	due, timed := ctx.Deadline()
	asleep := timed && time.Since(due) > verdictDue
	if asleep {
		up = nil
	}
	var told givenUp // and by itself: the failure of the old one would have been told otherwise
	if asleep || !errors.As(err, &told) && (errors.Is(err, ErrAborted) || errors.Is(err, ErrPeerLost) || errors.Is(err, context.Canceled)) {
		timer := time.NewTimer(heardWait)
		defer timer.Stop()
		select {
		case <-c.control.Done():
		case <-c.member.Over():
		case <-timer.C:
		case <-up:
		}
	}
	if why := c.whyFailed(); why != nil {
		return why
	}
	return err
}

// answerGrace is how much longer than its own time a rank waits for the leader, who
// knows better what was wrong, and soonGrace the same where all have come at the same time.
const (
	answerGrace = 2 * time.Second
	soonGrace   = 300 * time.Millisecond
)

// attend takes part in a meeting, as its leader or not, and returns what was decided.
func (c *Comm) attend(ctx context.Context, m *regroup.Meeting) (regroup.Answer, error) {
	m.Seq, m.Broken = c.member.Next(), c.Err() != nil
	if m.Members[0] == c.rank {
		m.Gone = c.family.place.gone
		return c.family.hall.Lead(ctx, m)
	}
	// The leader's time is up at about the same moment, and then it says who was
	// missing.
	grace := answerGrace
	if m.Once {
		grace = soonGrace
	}
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		if errors.Is(cause, context.DeadlineExceeded) {
			select {
			case <-time.After(grace):
			case <-late.Done():
			}
		}
		cancel(cause)
	})()
	a, err := c.family.place.visit(late, m.Members[0], regroup.Proposal{Topic: m.Topic, Call: m.Call, Members: m.Members, Own: m.Own, Round: m.Round})
	switch {
	case err == nil:
		err = a.Err
	case errors.Is(err, context.DeadlineExceeded):
		err = &RankError{Rank: m.Members[0], Err: fmt.Errorf("%w; the ranks meet there, and it did not come or did not answer", err)}
	}
	return a, err
}

// newToken names a meeting that happens once.
func newToken() string { return rand.Text() }

// failed names the call and the rank in an error of making a communicator, and the end
// of the caller's context if that is what it comes from.
func (c *Comm) failed(ctx context.Context, call string, err error) error {
	if ended := context.Cause(ctx); ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w: %w", ended, err)
	}
	return fmt.Errorf("rank %d: %s: %w", c.rank, call, err)
}
