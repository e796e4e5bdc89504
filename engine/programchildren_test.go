package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/monel-dev/monel/engine"
)

// deriving starts to make a communicator of another one, or makes it if it is to block;
// finish waits for it and looks whether it is the right one.
type deriving func(r *programRank, comm *engine.Comm, blocking bool) (finish func() error, err error)

// derive adds a step that makes communicators; each rank waits for its own as it likes.
func (g *generator) derive(c group, text string, start deriving) {
	random := g.ownRandom()
	g.add(text, []int{c.id}, func(r *programRank, comm int) error {
		finish, err := start(r, r.comms[comm], random(r.rank).IntN(2) == 0)
		if err != nil {
			return err
		}
		return finish()
	})
}

// awaited is what a call that blocks or not has returned, to be asked for later.
func awaited(c *engine.Comm, p *engine.PendingComm, err error) (func() (*engine.Comm, error), error) {
	if p == nil {
		return func() (*engine.Comm, error) { return c, nil }, err
	}
	return func() (*engine.Comm, error) { return p.Wait(background) }, err
}

// splitter is a split of a group.
func (g *generator) splitter(c group, how string) (text string, start deriving) {
	colors, keys := make([]int, len(c.members)), make([]int, len(c.members))
	most := 1 + g.IntN(3)
	for i := range colors {
		colors[i], keys[i] = g.IntN(most+1)-1, g.IntN(3)-1
		if g.IntN(4) == 0 {
			colors[i] = most - 1
		}
	}
	child := make([]int, len(c.members)) // by rank
	for color := range most {
		rank := slices.Index(colors, color)
		if rank < 0 {
			continue
		}
		members := expectedGroup(rank, colors, keys)
		world := make([]int, len(members))
		for i, m := range members {
			world[i] = c.members[m]
		}
		id := g.born(world)
		for _, m := range members {
			child[m] = id
		}
	}
	text = fmt.Sprintf("comm %d: %s by colors %v and keys %v into %v", c.id, how, colors, keys, child)
	return text, func(r *programRank, comm *engine.Comm, blocking bool) (func() error, error) {
		me := comm.Rank()
		var next *engine.Comm
		var pending *engine.PendingComm
		var err error
		if blocking {
			next, err = comm.Split(background, colors[me], keys[me])
		} else {
			pending, err = comm.StartSplit(background, colors[me], keys[me])
		}
		wait, err := awaited(next, pending, err)
		return func() error {
			next, err := wait()
			if err != nil {
				return err
			}
			if (next == nil) != (colors[me] == engine.NoColor) {
				return fmt.Errorf("color %d gives %v", colors[me], next)
			}
			if next == nil {
				return nil
			}
			return r.took(child[me], next, expectedGroup(me, colors, keys))
		}, err
	}
}

// shrinker is a shrink of a group.
func (g *generator) shrinker(c group, out []int, flags engine.ShrinkFlags) (text string, start deriving) {
	left := without(len(c.members), out...)
	members := make([]int, len(left))
	for i, m := range left {
		members[i] = c.members[m]
	}
	id := g.born(members)
	text = fmt.Sprintf("comm %d: shrink without %v into %d, flags %d", c.id, out, id, flags)
	return text, func(r *programRank, comm *engine.Comm, blocking bool) (func() error, error) {
		if flags == engine.ShrinkAbort && comm.State() == engine.Ready {
			r.meet(c) // nobody is in a collective any more
		}
		if slices.Contains(out, comm.Rank()) {
			return func() error { return nil }, nil
		}
		var next *engine.Comm
		var pending *engine.PendingComm
		var err error
		if blocking {
			next, err = comm.Shrink(background, out, flags)
		} else {
			pending, err = comm.StartShrink(background, out, flags)
		}
		wait, err := awaited(next, pending, err)
		return func() error {
			next, err := wait()
			if err != nil {
				return err
			}
			return r.took(id, next, left)
		}, err
	}
}

// ahead starts collectives of a communicator, and to make others of it, before it waits for
// any of them.
func (g *generator) ahead() {
	c := g.any()
	var texts []string
	var starts []func(r *programRank, comm *engine.Comm) (func() error, error)
	for range 2 + g.IntN(5) {
		var text string
		var start deriving
		switch g.IntN(4) {
		case 0:
			text, start = g.splitter(c, "split")
		case 1:
			text, start = g.shrinker(c, g.some(len(c.members)), engine.ShrinkDefault)
		default:
			op := g.collective(len(c.members))
			texts = append(texts, op.text)
			starts = append(starts, func(r *programRank, comm *engine.Comm) (func() error, error) { return op.start(r, comm, false) })
			continue
		}
		texts = append(texts, text)
		starts = append(starts, func(r *programRank, comm *engine.Comm) (func() error, error) { return start(r, comm, false) })
	}
	text := fmt.Sprintf("comm %d: start %s", c.id, strings.Join(texts, "; "))
	g.add(text, []int{c.id}, func(r *programRank, comm int) error {
		var finish []func() error
		for i, start := range starts {
			f, err := start(r, r.comms[comm])
			if err != nil {
				return fmt.Errorf("%s: %w", texts[i], err)
			}
			finish = append(finish, f)
		}
		var errs []error
		for i, f := range finish {
			if err := f(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", texts[i], err))
			}
		}
		return errors.Join(errs...)
	})
}
