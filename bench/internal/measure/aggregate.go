package measure

import (
	"errors"
	"fmt"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// join adds the call to a group. The collectives that consist of groups themselves cannot
// be part of one.
func (c Call) join(g *engine.Group, dst, src strided.Tensor) error {
	switch c.Collective {
	case cli.AllReduce:
		return g.AllReduce(dst, src, c.Op)
	case cli.AllGather:
		return g.AllGather(dst, src)
	case cli.AllToAll:
		return g.AllToAll(dst, src)
	case cli.Broadcast:
		return g.Broadcast(dst, src, c.Root)
	case cli.Gather:
		return g.Gather(dst, src, c.Root)
	case cli.Reduce:
		return g.Reduce(dst, src, c.Op, c.Root)
	case cli.ReduceScatter:
		return g.ReduceScatter(dst, src, c.Op)
	case cli.Scatter:
		return g.Scatter(dst, src, c.Root)
	}
	return fmt.Errorf("%s cannot be part of a group", c.Collective)
}

// joined builds a group of so many of the call.
func (c Call) joined(times int, dst, src strided.Tensor) func(g *engine.Group) error {
	return func(g *engine.Group) error {
		for range times {
			if err := c.join(g, dst, src); err != nil {
				return err
			}
		}
		return nil
	}
}

// withOp is the call with the operator as the communicator knows it: mulsum is made of
// this rank's factor, once for each type.
func (r *Runner) withOp(c Call) (Call, error) {
	if c.Op != oracle.MulSum || !c.Collective.Reduces() {
		return c, nil
	}
	op, made := r.mulsum[c.DType]
	if !made {
		bits, storage := oracle.FactorBits(c.DType, r.Comm.Rank()), make([]byte, c.DType.Size())
		for i := range storage {
			storage[i] = byte(bits >> (8 * i))
		}
		var err error
		if op, err = r.Comm.NewPreMulSum(c.DType, strided.FromBytes(c.DType, storage)); err != nil {
			return c, fmt.Errorf("mulsum: %w", err)
		}
		if r.mulsum == nil {
			r.mulsum = map[strided.DType]strided.Op{}
		}
		r.mulsum[c.DType] = op
	}
	c.Op = op
	return c, nil
}

// Register tells a communicator of the buffers' memory on the host, from which RDMA
// adapters then send as it lies. It stays registered until the communicator is closed.
func (b *Buffers) Register(comm *engine.Comm) error {
	var errs []error
	for _, of := range []buffer{b.dst, b.src} {
		if of.host != nil && b.gpu == nil {
			_, err := comm.Register(of.host)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
