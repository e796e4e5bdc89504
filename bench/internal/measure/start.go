package measure

import (
	"context"
	"errors"
	"fmt"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// start puts the call on a stream. It consists of what is returned.
func (c Call) start(ctx context.Context, comm Comm, dst, src strided.Tensor, stream cudaffi.Stream) ([]*engine.Work, error) {
	var w *engine.Work
	var err error
	switch on := engine.OnStream(stream); c.Collective {
	case cli.AllReduce:
		w, err = comm.StartAllReduce(ctx, dst, src, c.Op, on)
	case cli.AllGather:
		w, err = comm.StartAllGather(ctx, dst, src, on)
	case cli.AllToAll:
		w, err = comm.StartAllToAll(ctx, dst, src, on)
	case cli.Broadcast:
		w, err = comm.StartBroadcast(ctx, dst, src, c.Root, on)
	case cli.Gather:
		w, err = comm.StartGather(ctx, dst, src, c.Root, on)
	case cli.Hypercube:
		return startHypercube(ctx, comm, dst, src, on)
	case cli.Reduce:
		w, err = comm.StartReduce(ctx, dst, src, c.Op, c.Root, on)
	case cli.ReduceScatter:
		w, err = comm.StartReduceScatter(ctx, dst, src, c.Op, on)
	case cli.Scatter:
		w, err = comm.StartScatter(ctx, dst, src, c.Root, on)
	case cli.SendRecv:
		n := comm.Size()
		return comm.StartGroup(ctx, func(g *engine.Group) error {
			g.Use(on)
			return errors.Join(g.Send(src, (comm.Rank()+1)%n), g.Recv(dst, (comm.Rank()+n-1)%n))
		})
	default:
		return nil, fmt.Errorf("%q is not a collective", c.Collective)
	}
	return []*engine.Work{w}, err
}

// startHypercube is hypercube on a stream, where this rank's own block is a message to
// itself.
func startHypercube(ctx context.Context, comm Comm, dst, src strided.Tensor, on engine.CallOption) (works []*engine.Work, err error) {
	rows := dst.Shape()[0] / int64(comm.Size())
	blocks := func(first, n int) strided.Tensor { return dst.Slice(0, int64(first)*rows, int64(first+n)*rows) }
	group := func(build func(g *engine.Group) error) {
		if err != nil {
			return
		}
		var some []*engine.Work
		some, err = comm.StartGroup(ctx, func(g *engine.Group) error {
			g.Use(on)
			return build(g)
		})
		works = append(works, some...)
	}
	if own := blocks(comm.Rank(), 1); !strided.Same(own, src) {
		group(func(g *engine.Group) error {
			return errors.Join(g.Send(src, comm.Rank()), g.Recv(own, comm.Rank()))
		})
	}
	for known := 1; known < comm.Size(); known *= 2 {
		peer := comm.Rank() ^ known
		mine, theirs := comm.Rank()&^(known-1), peer&^(known-1)
		group(func(g *engine.Group) error {
			return errors.Join(g.Send(blocks(mine, known), peer), g.Recv(blocks(theirs, known), peer))
		})
	}
	return works, err
}
