package engine

import (
	"context"
	"errors"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// Group collects the calls of one rank that are to be carried out together. It is valid
// while the function runs that it is given to, and used by that alone.
//
// The messages of a group go on side by side, whatever the order in which they are
// collected, short ones to the same rank in one chunk; then its collectives follow, in
// their order. Two messages from one rank to another arrive in the order in which they
// are collected, as outside of groups, and the other side need not have them in a group.
//
// Every method checks its arguments as the Comm's method of that name does and returns an
// error if they are wrong; the group's other calls are carried out all the same, since
// other ranks count on them. Tensors are borrowed until the group has ended.
type Group struct {
	c         *Comm
	transfers []transfer
	far       reach // to the transfers' tensors
	tasks     []*task
	errs      []error
	options   []CallOption
}

// Use gives all calls of the group on tensors of a device the same options, in place of
// those that it has.
func (g *Group) Use(options ...CallOption) { g.options = options }

// Group carries out the calls that build makes on its Group, as NCCL does those between
// ncclGroupStart and ncclGroupEnd, and returns when all have ended, with all of their
// errors joined. An error of build itself is returned and nothing carried out.
func (c *Comm) Group(ctx context.Context, build func(g *Group) error) error {
	return RunGroup(ctx, func(on func(c *Comm) *Group) error { return build(on(c)) })
}

// RunGroup is Comm.Group for calls on several communicators, which go on side by side:
// on returns the Group of one of them. The order in which ranks use the communicators
// does not matter.
func RunGroup(ctx context.Context, build func(on func(c *Comm) *Group) error) error {
	groups, err := collect(build)
	if err != nil {
		return err
	}
	if len(groups) == 1 {
		g := groups[0]
		tasks := g.all()
		if len(tasks) == 1 && tasks[0].apart != nil && tasks[0].reach == nil && !g.c.queue.busy() {
			// Nothing goes on beside it.
			return errors.Join(append(g.errs, g.c.runApart(ctx, &tasks[0].call, tasks[0].apart))...)
		}
	}
	works, err := startAll(ctx, groups, false)
	errs := []error{err}
	for _, w := range works {
		<-w.Done() // the end of ctx aborts what is in progress
		errs = append(errs, w.Err())
	}
	return errors.Join(errs...)
}

// StartGroup is RunGroup without the wait, as StartAllReduce is AllReduce. After an
// error, the calls that are not to blame have been started all the same; an error of
// build itself says that nothing was. On a stream, calls begin in the order in which the
// communicators were first named, which has to be the same on all ranks.
func StartGroup(ctx context.Context, build func(on func(c *Comm) *Group) error) ([]*Work, error) {
	groups, err := collect(build)
	if err != nil {
		return nil, err
	}
	return startAll(ctx, groups, true)
}

// StartGroup is Group without the wait; see the function StartGroup.
func (c *Comm) StartGroup(ctx context.Context, build func(g *Group) error) ([]*Work, error) {
	return StartGroup(ctx, func(on func(c *Comm) *Group) error { return build(on(c)) })
}

// AllGatherV is Comm.AllGatherV.
func (g *Group) AllGatherV(dst, src strided.Tensor, counts []int64) error {
	return g.add(g.c.allGatherVOf(dst, src, counts))
}

// AllToAllV is Comm.AllToAllV.
func (g *Group) AllToAllV(dst, src strided.Tensor, recvCounts, sendCounts []int64) error {
	return g.add(g.c.allToAllV(dst, src, recvCounts, sendCounts))
}

// collect has build make its calls.
func collect(build func(on func(c *Comm) *Group) error) (groups []*Group, err error) {
	err = build(func(c *Comm) *Group {
		for _, g := range groups {
			if g.c == c {
				return g
			}
		}
		g := &Group{c: c}
		groups = append(groups, g)
		return g
	})
	return groups, err
}

// startAll queues the calls of groups.
func startAll(ctx context.Context, groups []*Group, holds bool) (works []*Work, err error) {
	var errs []error
	for _, g := range groups {
		tasks := g.all()
		errs = append(errs, g.errs...)
		for _, t := range tasks {
			options := g.options
			if t.onDevice == nil && t.reach == nil {
				options = nil // no stream works on it
			}
			w, err := g.c.queueTask(ctx, t, options, holds)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			works = append(works, w)
		}
	}
	return works, errors.Join(errs...)
}

// all are the tasks that the group consists of: the messages, then the collectives.
func (g *Group) all() []*task {
	if len(g.transfers) == 0 {
		return g.tasks
	}
	transfers := g.transfers
	g.transfers = nil
	x, err := g.c.exchangeOf(transfers)
	if err != nil {
		g.errs = append(g.errs, err)
	}
	messages := &task{call: agree.NewCall(agree.Send, 0, 0, 0, nil), reach: g.far.used(), tensors: g.far.tensors, apart: func(o agree.Op) error { return x.run(g.c, o) }}
	g.tasks = append([]*task{messages}, g.tasks...)
	return g.tasks
}

// add collects a collective, or says what is wrong with it, which other ranks hear in
// its turn.
func (g *Group) add(r request) error {
	if r.err == nil {
		g.tasks = append(g.tasks, r.task())
		return nil
	}
	bad := &ArgumentError{Rank: g.c.rank, Call: r.call.Kind.String(), Argument: r.argument, Err: r.err}
	g.tasks = append(g.tasks, &task{call: r.call, bad: bad})
	return bad
}

func (g *Group) addTransfer(t transfer) error {
	if err := g.c.checkTransfer(&t, &g.far); err != nil {
		g.errs = append(g.errs, err)
		return err
	}
	g.transfers = append(g.transfers, t)
	return nil
}

// Send is Comm.Send; the peer may be this rank, if the group has the Recv as well.
func (g *Group) Send(src strided.Tensor, peer int) error {
	return g.addTransfer(transfer{kind: agree.Send, peer: peer, tensor: src})
}

// Recv is Comm.Recv.
func (g *Group) Recv(dst strided.Tensor, peer int) error {
	return g.addTransfer(transfer{kind: agree.Recv, peer: peer, tensor: dst})
}

// AllReduce is Comm.AllReduce.
func (g *Group) AllReduce(dst, src strided.Tensor, op Op) error {
	p, argument, err := g.c.prepareAllReduce(&dst, &src, op)
	if err != nil {
		return g.add(refused(describeAllReduce(&src, op), argument, err))
	}
	g.tasks = append(g.tasks, g.c.allReduceTask(p, dst, src, op))
	return nil
}

// Broadcast is Comm.Broadcast.
func (g *Group) Broadcast(dst, src strided.Tensor, root int) error {
	p, argument, err := g.c.prepareBroadcast(&dst, &src, root)
	if err != nil {
		return g.add(refused(p.call, argument, err))
	}
	g.tasks = append(g.tasks, g.c.broadcastTask(p, dst, src))
	return nil
}

// AllGather is Comm.AllGather.
func (g *Group) AllGather(dst, src strided.Tensor) error { return g.add(g.c.allGatherOf(dst, src)) }

// ReduceScatter is Comm.ReduceScatter.
func (g *Group) ReduceScatter(dst, src strided.Tensor, op Op) error {
	return g.add(g.c.reduceScatterOf(dst, src, op))
}

// Reduce is Comm.Reduce.
func (g *Group) Reduce(dst, src strided.Tensor, op Op, root int) error {
	return g.add(g.c.reduce(dst, src, op, root))
}

// Gather is Comm.Gather.
func (g *Group) Gather(dst, src strided.Tensor, root int) error {
	return g.add(g.c.gather(dst, src, root))
}

// Scatter is Comm.Scatter.
func (g *Group) Scatter(dst, src strided.Tensor, root int) error {
	return g.add(g.c.scatter(dst, src, root))
}

// AllToAll is Comm.AllToAll.
func (g *Group) AllToAll(dst, src strided.Tensor) error { return g.add(g.c.allToAllOf(dst, src)) }

// Barrier is Comm.Barrier.
func (g *Group) Barrier() error { return g.add(g.c.barrier()) }
