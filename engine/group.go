package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// Group collects the calls of one rank that are to be carried out together. It is valid
// while the function runs that it is given to, and used by that alone.
//
// The messages of a group go on side by side, whatever the order in which they are
// collected, short ones to the same rank in one chunk. Its collectives follow each other in
// their order, beside the messages: the other ranks may make the same calls in groups or one
// by one, messages or collectives first. Only where a message and a collective touch the
// same memory, or a tensor of the group is a device's, do the messages follow the
// collectives, as NCCL has it. Two messages from one rank to another arrive in the order in
// which they are collected, as outside of groups.
//
// No message may write what another one of the group reads or writes: that is an error that
// wraps strided.ErrOverlap, as for a buffer that is sent and received at once. Only a
// message to this rank itself may be in place.
//
// Small all_reduces that follow each other, of one dtype and operator, are fused: up to
// FusedCalls of at most 8 KiB each, as many as fit into a chunk, go as one, with the bits
// that single calls give. So all ranks have them in a group, and in the same one, or get a
// *MismatchError. Where one of them is refused, so are all. If on any rank one of them
// writes what another one reads or writes, all ranks carry them out one by one.
//
// Every method checks its arguments as the Comm's method of that name does and returns an
// error if they are wrong; the group's other calls are carried out all the same, since
// other ranks count on them. What makes the communicator fail ends all of them; a
// disagreement about a collective does not end the messages. Tensors are borrowed until the
// group has ended.
type Group struct {
	c         *Comm
	transfers []transfer
	far       reach     // to the transfers' tensors
	touched   footprint // by the transfers
	calls     []groupCall
	notes     *notes
	tasks     []*task // what is to be done, once that is known
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
		if tasks := g.all(); len(tasks) == 1 && !tasks[0].onStream() {
			err := errors.Join(append(g.errs, g.c.runAlone(ctx, tasks[0]))...)
			if err == nil { // nobody refers to them any more
				g.notes.reuse(g.calls)
			}
			return err
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

// StartGroup is RunGroup without the wait, as StartAllReduce is AllReduce; a Work may stand
// for several calls. After an
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

// collect has build make its calls.
func collect(build func(on func(c *Comm) *Group) error) (groups []*Group, err error) {
	err = build(func(c *Comm) *Group {
		for _, g := range groups {
			if g.c == c {
				return g
			}
		}
		g := &Group{c: c, notes: allNotes.Get().(*notes)}
		g.calls = g.notes.calls
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
			if !t.onStream() {
				options = nil // no stream works on it
			}
			w, err := g.c.queueTask(ctx, t, options, holds, false)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			works = append(works, w)
		}
	}
	return works, errors.Join(errs...)
}

// runAlone carries out the only task of a group, on the host.
func (c *Comm) runAlone(ctx context.Context, t *task) error {
	if t.apart != nil && !c.queue.busy() {
		return c.runApart(ctx, &t.call, t.apart) // nothing goes on beside it
	}
	w, err := c.queueTask(ctx, t, nil, false, true)
	if err != nil {
		return err
	}
	if w.here {
		c.queue.workHere()
	}
	<-w.done
	return w.err
}

// add collects a collective, or says what is wrong with it, which other ranks hear in
// its turn. dst and src are what it writes and reads on this rank.
func (g *Group) add(r request, dst, src strided.Tensor) error {
	if r.err == nil {
		g.calls = append(g.calls, groupCall{t: r.task(), dst: dst, src: src})
		return nil
	}
	return g.refuse(r.call, r.argument, r.err)
}

func (g *Group) refuse(call agree.Call, argument string, err error) error {
	bad := &ArgumentError{Rank: g.c.rank, Call: call.Kind.String(), Argument: argument, Err: err}
	g.calls = append(g.calls, groupCall{t: &task{call: call, bad: bad}})
	return bad
}

// at is a tensor that only one rank needs, the zero Tensor elsewhere.
func (g *Group) at(rank int, t strided.Tensor) strided.Tensor {
	if g.c.rank != rank {
		return strided.Tensor{}
	}
	return t
}

func (g *Group) addTransfer(t transfer) error {
	err := g.c.checkTransfer(&t, &g.far)
	if err == nil {
		err = g.checkApart(&t)
	}
	if err != nil {
		g.errs = append(g.errs, err)
		return err
	}
	g.transfers = append(g.transfers, t)
	own := touches(&g.transfers[len(g.transfers)-1])
	g.touched.add(&own)
	return nil
}

// checkApart checks that a transfer does not touch what others of the group write, or
// write what they touch, since they go on at the same time. The two ends of a message to
// this rank itself may be the same tensor.
func (g *Group) checkApart(t *transfer) error {
	own := touches(t)
	err := g.touched.conflict(&own, func(i int) bool {
		o := &g.transfers[i]
		return t.peer == g.c.rank && o.peer == t.peer && o.kind != t.kind && strided.Same(o.tensor, t.tensor) &&
			g.toSelf(i, o.kind) == g.toSelf(len(g.transfers), t.kind)
	})
	if err == nil {
		return nil
	}
	argument := "src"
	if t.kind == agree.Recv {
		argument = "dst"
	}
	return &ArgumentError{Rank: g.c.rank, Call: t.kind.String(), Argument: argument, Err: fmt.Errorf("another message of the group goes on at the same time: %w", err)}
}

// touches is what a transfer does to its tensor.
func touches(t *transfer) touched {
	if t.kind == agree.Recv {
		return writesTo(&t.tensor)
	}
	return readsOf(&t.tensor)
}

// toSelf counts the transfers of a kind with this rank itself before the i-th.
func (g *Group) toSelf(i int, kind agree.Collective) (n int) {
	for _, t := range g.transfers[:i] {
		if t.peer == g.c.rank && t.kind == kind {
			n++
		}
	}
	return n
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
		return g.refuse(describeAllReduce(&src, op), argument, err)
	}
	g.calls = append(g.calls, groupCall{p: p, dst: dst, src: src})
	return nil
}

// Broadcast is Comm.Broadcast.
func (g *Group) Broadcast(dst, src strided.Tensor, root int) error {
	p, argument, err := g.c.prepareBroadcast(&dst, &src, root)
	if err != nil {
		return g.refuse(p.call, argument, err)
	}
	g.calls = append(g.calls, groupCall{t: g.c.broadcastTask(p, dst, src), dst: dst, src: g.at(root, src)})
	return nil
}

// AllGather is Comm.AllGather.
func (g *Group) AllGather(dst, src strided.Tensor) error {
	return g.add(g.c.allGatherOf(dst, src), dst, src)
}

// ReduceScatter is Comm.ReduceScatter.
func (g *Group) ReduceScatter(dst, src strided.Tensor, op Op) error {
	return g.add(g.c.reduceScatterOf(dst, src, op), dst, src)
}

// Reduce is Comm.Reduce.
func (g *Group) Reduce(dst, src strided.Tensor, op Op, root int) error {
	return g.add(g.c.reduce(dst, src, op, root), g.at(root, dst), src)
}

// Gather is Comm.Gather.
func (g *Group) Gather(dst, src strided.Tensor, root int) error {
	return g.add(g.c.gather(dst, src, root), g.at(root, dst), src)
}

// Scatter is Comm.Scatter.
func (g *Group) Scatter(dst, src strided.Tensor, root int) error {
	return g.add(g.c.scatter(dst, src, root), dst, g.at(root, src))
}

// AllToAll is Comm.AllToAll.
func (g *Group) AllToAll(dst, src strided.Tensor) error {
	return g.add(g.c.allToAllOf(dst, src), dst, src)
}

// AllGatherV is Comm.AllGatherV.
func (g *Group) AllGatherV(dst, src strided.Tensor, counts []int64) error {
	return g.add(g.c.allGatherVOf(dst, src, counts), dst, src)
}

// AllToAllV is Comm.AllToAllV.
func (g *Group) AllToAllV(dst, src strided.Tensor, recvCounts, sendCounts []int64) error {
	return g.add(g.c.allToAllV(dst, src, recvCounts, sendCounts), dst, src)
}

// Barrier is Comm.Barrier.
func (g *Group) Barrier() error { return g.add(g.c.barrier(), strided.Tensor{}, strided.Tensor{}) }
