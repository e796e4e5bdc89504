package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/monel-dev/monel/engine/internal/agree"
)

// watches makes the end of a caller's context abort the communicator: a rank
// cannot leave a collective alone without leaving the others in the lurch, so
// they are told. A context that call after call is made with stays watched in
// between, since to begin and end that costs more than a short call.
type watches struct {
	c    *Comm
	kept *watch
	last <-chan struct{} // the context of the latest call, by its Done
}

// watch is a context that is being watched.
type watch struct {
	done <-chan struct{}
	stop func() bool

	// calling is the collective in progress with this context, or 0. The end of
	// the context sets ended and then looks at calling, a call the other way
	// round: one of them sees the other's.
	calling atomic.Uint32
	ended   atomic.Bool
}

// begin watches ctx for a call that has the turn. It returns nil if ctx cannot
// end.
func (ws *watches) begin(ctx context.Context, kind agree.Collective) *watch {
	done := ctx.Done()
	if done == nil {
		return nil
	}
	w := ws.kept
	if w == nil || w.done != done {
		ws.drop()
		w = &watch{done: done}
		w.stop = context.AfterFunc(ctx, func() {
			w.ended.Store(true)
			if kind := w.calling.Load(); kind != 0 {
				ws.c.abort(ctx, agree.Collective(kind))
			}
		})
		ws.kept = w
	}
	w.calling.Store(uint32(kind))
	if w.ended.Load() {
		ws.c.abort(ctx, kind)
	}
	return w
}

// end ends what begin has begun.
func (ws *watches) end(w *watch) {
	if w == nil {
		return
	}
	w.calling.Store(0)
	if w.done != ws.last {
		ws.last = w.done
		ws.drop() // it may well be this call's alone
	}
}

// drop stops watching.
func (ws *watches) drop() {
	if ws.kept != nil {
		ws.kept.stop()
		ws.kept = nil
	}
}

func (c *Comm) abort(ctx context.Context, kind agree.Collective) {
	c.fail(&RankError{Rank: c.rank, Doing: kind.String(),
		Err: fmt.Errorf("%w: %v", ErrAborted, context.Cause(ctx))})
}
