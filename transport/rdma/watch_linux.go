//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport/internal/processor"
)

// A receiver that gets short chunks one after the other watches the cells and has no
// use for its adapter's reports, which cost both sides time. It tells the sender so by
// a word in the sender's memory, its wish, and takes that back before it sleeps, since
// then it is a report that has to wake it.

// watchAfter is after how many chunks in cells without a sleep the receiver says that
// it watches them.
const watchAfter = 8

// wish writes to the sender's memory whether the cells are being watched.
func (r *receiver) wish(watching bool) error {
	l := &r.lanes[0]
	word := r.wishSource()
	clear(word)
	if watching {
		word[0] = 1
	}
	pieces := [1]ibv.Piece{{Addr: uintptr(r.address()) + uintptr(len(r.memory)-wordSize), Len: wordSize, LKey: r.regions[l.queue].LKey}}
	if err := l.qp.PostWrite(&ibv.Write{Remote: r.remote, RKey: l.rkey}, pieces[:]); err != nil {
		return r.fault(err)
	}
	r.telling++
	r.watching, r.retracting = watching, !watching
	return nil
}

// wishSource is the last word of this side's memory, behind the cells.
func (r *receiver) wishSource() []byte { return r.memory[len(r.memory)-wordSize:] }

// watch says that the cells are being watched.
func (r *receiver) watch() {
	if r.lanes[0].qp.Inline < wordSize || r.telling >= r.cells || r.broken != nil || r.peer.lost() != nil {
		return
	}
	_ = r.wish(true) // Next says why not
}

// unwatch says that they are not, waits until the sender's memory has that, and
// reports whether there was anything to say. Where the wait is cancelled, the next one
// goes on with it. A chunk that the sender has sent before
// may still be on its way then, unreported: a sleep after this is short at first, and
// the ones that follow each twice as long. Where the sender notices in time, it reports
// what it has sent.
func (r *receiver) unwatch(ctx context.Context) (bool, error) {
	r.quick = 0
	if !r.watching && !r.retracting {
		return false, nil
	}
	if r.watching {
		if err := r.wish(false); err != nil {
			return true, err
		}
	}
	for r.telling > 0 && ctx.Err() == nil {
		if _, err := r.drain(); err != nil {
			return true, err
		}
		if err := r.over(); err != nil {
			return true, nil // await says it
		}
		processor.Yield()
	}
	r.retracting = r.telling > 0
	return true, nil
}
