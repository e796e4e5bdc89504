package measure

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// Comm is what a measurement needs of a communicator.
type Comm interface {
	AllReduce(ctx context.Context, dst, src strided.Tensor, op strided.Op) error
	Broadcast(ctx context.Context, dst, src strided.Tensor, root int) error
	AllGather(ctx context.Context, dst, src strided.Tensor) error
	AllToAll(ctx context.Context, dst, src strided.Tensor) error
	Gather(ctx context.Context, dst, src strided.Tensor, root int) error
	Reduce(ctx context.Context, dst, src strided.Tensor, op strided.Op, root int) error
	ReduceScatter(ctx context.Context, dst, src strided.Tensor, op strided.Op) error
	Scatter(ctx context.Context, dst, src strided.Tensor, root int) error
	NewPreMulSum(dt strided.DType, factor strided.Tensor) (strided.Op, error)
	Group(ctx context.Context, build func(g *engine.Group) error) error
	StartAllReduce(ctx context.Context, dst, src strided.Tensor, op strided.Op, options ...engine.CallOption) (*engine.Work, error)
	StartBroadcast(ctx context.Context, dst, src strided.Tensor, root int, options ...engine.CallOption) (*engine.Work, error)
	StartAllGather(ctx context.Context, dst, src strided.Tensor, options ...engine.CallOption) (*engine.Work, error)
	StartAllToAll(ctx context.Context, dst, src strided.Tensor, options ...engine.CallOption) (*engine.Work, error)
	StartGather(ctx context.Context, dst, src strided.Tensor, root int, options ...engine.CallOption) (*engine.Work, error)
	StartReduce(ctx context.Context, dst, src strided.Tensor, op strided.Op, root int, options ...engine.CallOption) (*engine.Work, error)
	StartReduceScatter(ctx context.Context, dst, src strided.Tensor, op strided.Op, options ...engine.CallOption) (*engine.Work, error)
	StartScatter(ctx context.Context, dst, src strided.Tensor, root int, options ...engine.CallOption) (*engine.Work, error)
	StartGroup(ctx context.Context, build func(g *engine.Group) error) ([]*engine.Work, error)
	Rank() int
	Size() int
}

// Barrier returns when all ranks have called it: an all-reduce of one element.
func Barrier(ctx context.Context, c Comm) error {
	ranks, err := Sum(ctx, c, 1)
	if err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	if ranks != int64(c.Size()) {
		return fmt.Errorf("rank %d: barrier: %d ranks counted instead of %d", c.Rank(), ranks, c.Size())
	}
	return nil
}

// Sum adds up all ranks' values.
func Sum(ctx context.Context, c Comm, value int64) (int64, error) {
	v := []int64{value}
	x := strided.Of(v)
	err := c.AllReduce(ctx, x, x, strided.Sum)
	return v[0], err
}

// Max returns the greatest of all ranks' values.
func Max(ctx context.Context, c Comm, value float64) (float64, error) {
	v := []float64{value}
	x := strided.Of(v)
	err := c.AllReduce(ctx, x, x, strided.Max)
	return v[0], err
}

// Across says which of the ranks' values stands for all.
type Across uint8

// The choices.
const (
	Greatest Across = iota
	OfRank0
	Average
	Least
)

// of is that value.
func (a Across) of(ctx context.Context, c Comm, value float64) (float64, error) {
	v := []float64{value}
	x := strided.Of(v)
	var err error
	switch a {
	case OfRank0:
		err = c.Broadcast(ctx, x, x, 0)
	case Average:
		err = c.AllReduce(ctx, x, x, strided.Avg)
	case Least:
		err = c.AllReduce(ctx, x, x, strided.Min)
	default:
		return Max(ctx, c, value)
	}
	return v[0], err
}

// Gather returns what every rank has given, in the order of the ranks. What
// they give has the same length on all ranks.
func Gather(ctx context.Context, c Comm, mine []byte) ([][]byte, error) {
	n := len(mine)
	all := make([]byte, n*c.Size())
	copy(all[n*c.Rank():], mine)
	x := strided.Of(all)
	if err := c.AllReduce(ctx, x, x, strided.Sum); err != nil {
		return nil, err
	}
	parts := make([][]byte, c.Size())
	for rank := range parts {
		parts[rank] = all[n*rank : n*(rank+1)]
	}
	return parts, nil
}

// Share gives every rank what rank 0 has; mine has the same length everywhere.
func Share(ctx context.Context, c Comm, mine []byte) error {
	x := strided.Of(mine)
	return c.Broadcast(ctx, x, x, 0)
}
