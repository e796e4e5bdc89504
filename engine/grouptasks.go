package engine

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// groupCall is a collective of a group: a task or, if that is nil, an all_reduce, of which
// there may be many and small ones.
type groupCall struct {
	t *task
	p *prepared
	// What it writes and reads on this rank; nothing where these are the zero Tensor.
	dst, src strided.Tensor
}

// notes is memory for the calls of a group, which is used again for the next one.
type notes struct {
	calls   []groupCall
	touched []touched
	parts   []*agree.Call
}

var allNotes = sync.Pool{New: func() any { return &notes{} }}

// mostKept is for how many calls memory is kept.
const mostKept = 4 * FusedCalls

// reuse keeps the memory for other groups; it refers to no tensors then.
func (n *notes) reuse(calls []groupCall) {
	if cap(calls) > mostKept {
		return
	}
	clear(calls)
	n.calls = calls[:0]
	clear(n.touched)
	n.touched, n.parts = n.touched[:0], n.parts[:0]
	allNotes.Put(n)
}

// description is what the ranks have to agree on.
func (k *groupCall) description() *agree.Call {
	if k.t != nil {
		return &k.t.call
	}
	return &k.p.call
}

// meets reports whether the call writes to what is in f, or reads what is written there.
func (k *groupCall) meets(f *footprint) bool {
	hits := func(t touched) bool { return !t.tensor.IsZero() && f.conflict(&t, nil) != nil }
	return hits(writesTo(&k.dst)) || hits(readsOf(&k.src))
}

// all are the tasks that the group consists of. Messages are carried out beside
// collectives unless the two touch the same memory, or any tensor is a device's, whose work
// is done in one order; then they follow, as in NCCL.
func (g *Group) all() []*task {
	if g.tasks != nil {
		return g.tasks
	}
	g.tasks = g.collectives()
	messages, x := g.messages()
	if messages == nil {
		g.tasks = g.c.together(g.tasks, nil)
		return g.tasks
	}
	apart := messages.reach != nil || slices.ContainsFunc(g.tasks, (*task).onStream) ||
		slices.ContainsFunc(g.calls, func(k groupCall) bool { return k.meets(&g.touched) })
	if apart {
		g.tasks = append(g.c.together(g.tasks, nil), messages)
	} else if len(g.tasks) == 0 {
		g.tasks = []*task{messages}
	} else {
		g.tasks = g.c.together(g.tasks, &beside{messages.call, x})
	}
	return g.tasks
}

// onStream reports whether a device works for the task.
func (t *task) onStream() bool { return t.onDevice != nil || t.reach != nil }

// collectives are the tasks of the group's collectives.
func (g *Group) collectives() []*task {
	tasks := []*task{}
	for portion := range slices.Chunk(g.calls, FusedCalls) {
		for len(portion) > 0 {
			n := g.c.fusable(portion)
			switch k := &portion[0]; {
			case n > 1:
				tasks = append(tasks, g.c.fuse(portion[:n], g.notes))
			case k.t != nil:
				tasks = append(tasks, k.t)
			default:
				tasks = append(tasks, g.c.allReduceTask(k.p, k.dst, k.src, k.p.op))
			}
			portion = portion[n:]
		}
	}
	return tasks
}

// messages is the task of the group's messages, nil if there are none.
func (g *Group) messages() (*task, *exchange) {
	if len(g.transfers) == 0 {
		return nil, nil
	}
	x, err := g.c.exchangeOf(g.transfers)
	if err != nil {
		g.errs = append(g.errs, err)
	}
	return &task{call: x.describe(g.c), reach: g.far.used(), tensors: g.far.tensors, apart: func(o agree.Op) error { return x.run(g.c, o) }}, x
}

// beside is messages that go on beside collectives.
type beside struct {
	call agree.Call
	x    *exchange
}

// together puts those of tasks into one that are next to each other and on the host, and
// messages beside them; then all tasks are on the host.
func (c *Comm) together(tasks []*task, messages *beside) (fewer []*task) {
	for len(tasks) > 0 {
		n := 0
		for n < len(tasks) && !tasks[n].onStream() {
			n++
		}
		switch some := tasks[:n]; {
		case n == 0:
			n = 1
			fewer = append(fewer, tasks[0])
		case n == 1 && messages == nil:
			fewer = append(fewer, some[0])
		default:
			fewer = append(fewer, &task{call: some[0].call, together: func() error { return c.runTogether(some, messages) }})
		}
		tasks = tasks[n:]
	}
	return fewer
}

// runTogether carries out tasks one after the other, and messages beside them. An error
// that makes the communicator fail ends both; after any other one, the rest is carried out
// all the same, since other ranks count on it.
func (c *Comm) runTogether(tasks []*task, messages *beside) error {
	var ended chan error
	if messages != nil {
		ended = make(chan error, 1)
		go func() {
			ended <- c.runBeside(&messages.call, func(o agree.Op) error { return messages.x.run(c, o) })
		}()
	}
	var errs []error
	for _, t := range tasks {
		if err := c.carryOut(context.Background(), t); err != nil {
			errs = append(errs, err)
			if c.member.Broken() != nil {
				break // the others would say the same
			}
		}
	}
	if ended != nil {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}
