package measure

import (
	"context"
	"errors"
	"fmt"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/bench/internal/report"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// Call is one collective call, as all ranks make it.
type Call struct {
	Collective cli.Collective
	Layout     layouts.Name
	DType      strided.DType
	Op         strided.Op // of a collective that reduces
	Root       int        // of a collective with one
	Count      int64      // elements of the message, in all blocks
	InPlace    bool
}

// Bytes is the size of the call's message.
func (c Call) Bytes() int64 { return c.Count * int64(c.DType.Size()) }

// PerRank is the number of elements as the table has it: of a block, if the message
// consists of such.
func (c Call) PerRank(ranks int) int64 {
	if c.Collective.InBlocks() {
		return c.Count / int64(ranks)
	}
	return c.Count
}

// OpName is the operator as the table has it.
func (c Call) OpName() string {
	if !c.Collective.Reduces() {
		return "none"
	}
	return oracle.OpName(c.Op)
}

// RootOrNone is the root as the table has it.
func (c Call) RootOrNone() int {
	if c.Collective.Rooted() {
		return c.Root
	}
	return -1
}

// Moved is the number of bytes that algbw counts: the message's, but for hypercube, of
// which a rank's own block does not move.
func (c Call) Moved(ranks int) int64 {
	if c.Collective == cli.Hypercube {
		return c.Bytes() / int64(ranks) * int64(ranks-1)
	}
	return c.Bytes()
}

// BusFactor is the collective's busbw / algbw among ranks ranks.
func (c Call) BusFactor(ranks int) float64 {
	switch {
	case c.Collective == cli.Hypercube:
		return 1
	case c.Collective == cli.AllReduce:
		return report.AllReduceFactor(ranks)
	case c.Collective.InBlocks():
		return report.BlocksFactor(ranks)
	}
	return report.BroadcastFactor(ranks)
}

// do makes the call.
func (c Call) do(ctx context.Context, comm Comm, dst, src strided.Tensor) error {
	switch c.Collective {
	case cli.AllReduce:
		return comm.AllReduce(ctx, dst, src, c.Op)
	case cli.AllGather:
		return comm.AllGather(ctx, dst, src)
	case cli.AllToAll:
		return comm.AllToAll(ctx, dst, src)
	case cli.Broadcast:
		return comm.Broadcast(ctx, dst, src, c.Root)
	case cli.Gather:
		return comm.Gather(ctx, dst, src, c.Root)
	case cli.Hypercube:
		return hypercube(ctx, comm, dst, src)
	case cli.Reduce:
		return comm.Reduce(ctx, dst, src, c.Op, c.Root)
	case cli.ReduceScatter:
		return comm.ReduceScatter(ctx, dst, src, c.Op)
	case cli.Scatter:
		return comm.Scatter(ctx, dst, src, c.Root)
	case cli.SendRecv:
		return sendRecv(ctx, comm, dst, src)
	default:
		return fmt.Errorf("%q is not a collective", c.Collective)
	}
}

// sendRecv sends src to the next rank and receives dst from the one before.
func sendRecv(ctx context.Context, comm Comm, dst, src strided.Tensor) error {
	n := comm.Size()
	return comm.Group(ctx, func(g *engine.Group) error {
		return errors.Join(g.Send(src, (comm.Rank()+1)%n), g.Recv(dst, (comm.Rank()+n-1)%n))
	})
}

// hypercube is an all_gather in log2 rounds of messages, in each of which the blocks
// known double.
func hypercube(ctx context.Context, comm Comm, dst, src strided.Tensor) error {
	rows := dst.Shape()[0] / int64(comm.Size())
	blocks := func(first, n int) strided.Tensor { return dst.Slice(0, int64(first)*rows, int64(first+n)*rows) }
	if own := blocks(comm.Rank(), 1); !strided.Same(own, src) {
		if err := strided.Copy(own, src); err != nil {
			return err
		}
	}
	for known := 1; known < comm.Size(); known *= 2 {
		peer := comm.Rank() ^ known
		mine, theirs := comm.Rank()&^(known-1), peer&^(known-1)
		err := comm.Group(ctx, func(g *engine.Group) error {
			return errors.Join(g.Send(blocks(mine, known), peer), g.Recv(blocks(theirs, known), peer))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
