package measure

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/bench/internal/report"
	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// Call is one collective call, as all ranks make it.
type Call struct {
	Collective cli.Collective
	Layout     layouts.Name
	DType      strided.DType
	Op         strided.Op // of a collective without a root
	Root       int        // of a collective with one
	Count      int64      // elements of the tensor
	InPlace    bool
}

// Bytes is the size of the call's message.
func (c Call) Bytes() int64 { return c.Count * int64(c.DType.Size()) }

// OpName is the operator as the table has it.
func (c Call) OpName() string {
	if c.Collective.Rooted() {
		return "none"
	}
	return c.Op.String()
}

// RootOrNone is the root as the table has it.
func (c Call) RootOrNone() int {
	if c.Collective.Rooted() {
		return c.Root
	}
	return -1
}

// BusFactor is the collective's busbw / algbw among ranks ranks.
func (c Call) BusFactor(ranks int) float64 {
	if c.Collective == cli.Broadcast {
		return report.BroadcastFactor(ranks)
	}
	return report.AllReduceFactor(ranks)
}

// do makes the call.
func (c Call) do(ctx context.Context, comm Comm, dst, src strided.Tensor) error {
	switch c.Collective {
	case cli.AllReduce:
		return comm.AllReduce(ctx, dst, src, c.Op)
	case cli.Broadcast:
		return comm.Broadcast(ctx, dst, src, c.Root)
	default:
		return fmt.Errorf("%q is not a collective", c.Collective)
	}
}

// start puts the call on a stream.
func (c Call) start(ctx context.Context, comm Comm, dst, src strided.Tensor, stream cudaffi.Stream) (*engine.Work, error) {
	switch c.Collective {
	case cli.AllReduce:
		return comm.StartAllReduce(ctx, dst, src, c.Op, engine.OnStream(stream))
	case cli.Broadcast:
		return comm.StartBroadcast(ctx, dst, src, c.Root, engine.OnStream(stream))
	default:
		return nil, fmt.Errorf("%q is not a collective", c.Collective)
	}
}

// expect is what rank has before the call and must have after it.
func (c Call) expect(ranks, rank int, seed uint64) (input, result *oracle.Table) {
	if c.Collective == cli.Broadcast {
		return oracle.Copy(rank, seed), oracle.Copy(c.Root, seed)
	}
	return oracle.Reduction(c.Op, c.DType, ranks, rank, seed)
}

// steady is what rank has before the calls that are timed.
func (c Call) steady(ranks, rank int, seed uint64) *oracle.Table {
	if c.Collective == cli.Broadcast {
		return oracle.Copy(rank, seed)
	}
	return oracle.Steady(c.Op, c.DType, ranks, rank, seed)
}
