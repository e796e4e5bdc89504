package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// stopped has a rank stop a communicator while the others are in a collective, or are
// about to be, of which all hear why.
func (g *generator) stopped(c group, how string, why error, stop func(*engine.Comm) error) (by int) {
	by = g.IntN(len(c.members))
	late := time.Duration(g.IntN(300)) * time.Microsecond
	g.add(fmt.Sprintf("comm %d: %s by %d", c.id, how, by), []int{c.id}, func(r *programRank, comm int) error {
		r.meet(c)
		if r.comms[comm].Rank() == by {
			time.Sleep(late)
			return stop(r.comms[comm])
		}
		x := strided.Of(make([]float32, 100))
		err := r.comms[comm].AllReduce(background, x, x, engine.Sum)
		var re *engine.RankError
		if !errors.Is(err, why) || !errors.As(err, &re) || re.Rank != by {
			return fmt.Errorf("%s by %d: %w", how, by, err)
		}
		return nil
	})
	return by
}

// revoke stops a communicator; then it is split, or shrunk.
func (g *generator) revoke() {
	c := g.any()
	g.stopped(c, "revoked", engine.ErrRevoked, (*engine.Comm).Revoke)
	if g.IntN(2) == 0 {
		g.splitOf(c, "split, revoked,")
	} else {
		g.shrinkOf(c, g.some(len(c.members)), engine.ShrinkDefault)
	}
	g.forget(c.id)
}

// abort has a rank leave a communicator in the midst of it. The others go on without it.
func (g *generator) abort() {
	c := g.any()
	if len(c.members) == 1 {
		return
	}
	by := g.stopped(c, "aborted", engine.ErrAborted, (*engine.Comm).Abort)
	g.shrinkOf(c, []int{by}, engine.ShrinkAbort)
	g.forget(c.id)
}

// sharedID is the id of a communicator that grows, which new ranks wait for.
type sharedID struct {
	made chan struct{}
	id   engine.UniqueID
	err  error
}

func (run *programRun) sharedID(comm int) *sharedID {
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.ids[comm] == nil {
		run.ids[comm] = &sharedID{made: make(chan struct{})}
	}
	return run.ids[comm]
}

// grow adds ranks of the world to a communicator that are not in it.
func (g *generator) grow() {
	c := g.any()
	var others []int
	for _, rank := range g.Perm(g.size) {
		if !slices.Contains(c.members, rank) {
			others = append(others, rank)
		}
	}
	if len(others) == 0 {
		return
	}
	members := append(slices.Clone(c.members), others[:1+g.IntN(min(2, len(others)))]...)
	with := g.IntN(len(c.members)) // who makes the id
	id := g.born(members)
	g.addAll(fmt.Sprintf("comm %d: grow by ranks %v of the world into %d", c.id, members[len(c.members):], id), func(r *programRank) (err error) {
		shared, me := r.run.sharedID(id), slices.Index(members, r.rank)
		var next *engine.Comm
		switch {
		case me < 0:
			return nil
		case me >= len(c.members):
			<-shared.made
			if shared.err != nil {
				return nil // who made it says so
			}
			next, err = engine.StartInit(background, engine.Config{ID: shared.id, Rank: me, Size: len(members), Transport: r.run.transport, ChunkBytes: r.run.chunk}).Wait(background)
		default:
			var own engine.UniqueID
			if me == with {
				shared.id, shared.err = r.comms[c.id].GrowID()
				close(shared.made)
				if shared.err != nil {
					return shared.err
				}
				own = shared.id
			}
			if r.rank%2 == 0 {
				next, err = r.comms[c.id].Grow(background, len(members), own)
				break
			}
			var pending *engine.PendingComm
			if pending, err = r.comms[c.id].StartGrow(background, len(members), own); err == nil {
				next, err = pending.Wait(background)
			}
		}
		if err != nil {
			return err
		}
		r.comms[id] = next
		if next.Rank() != me || next.Size() != len(members) {
			return fmt.Errorf("it is rank %d of %d", next.Rank(), next.Size())
		}
		return nil
	})
}
