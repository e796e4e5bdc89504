package faults

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// difference is in what a rank's call may differ from the others'.
type difference string

// The differences.
const (
	ofCount      difference = "count"
	ofDType      difference = "dtype"
	ofOp         difference = "op"
	ofRoot       difference = "root"
	ofShape      difference = "shape"
	ofCollective difference = "collective"
	ofOrder      difference = "order of calls"
	ofNothing    difference = "call, having left this one out"
)

// disagreeing are the collectives about which ranks disagree.
func disagreeing() []cli.Collective {
	return []cli.Collective{cli.AllReduce, cli.ReduceScatter, cli.Reduce, cli.Broadcast, cli.AllGather, cli.Gather, cli.Scatter, cli.AllToAll}
}

// differencesOf are those that a call of a collective can have. In those of blocks only
// counts are compared, not shapes.
func differencesOf(c cli.Collective) []difference {
	all := []difference{ofCount, ofDType, ofCollective, ofOrder, ofNothing}
	if c.Reduces() {
		all = append(all, ofOp)
	}
	if c.Rooted() {
		all = append(all, ofRoot)
	}
	if c == cli.AllReduce || c == cli.Broadcast {
		all = append(all, ofShape)
	}
	return all
}

// kind is what ranks have to agree on.
type kind struct {
	collective cli.Collective
	dtype      strided.DType
	op         strided.Op
	root       int
	shape      [2]int64 // of a block
}

// madeCall is a call of a rank with its buffers, and what was in these.
type madeCall struct {
	kind
	dst, src       []byte
	dstWas, srcWas []byte
	intoT, fromT   strided.Tensor
}

// calls are what a rank calls: one collective and then another.
func (d *disagreement) calls(rank int) []*madeCall {
	k := kind{collective: d.collective, dtype: dtype.Float32, op: strided.Sum, shape: [2]int64{6, 35}}
	next := kind{collective: cli.AllReduce, dtype: dtype.Float64, op: strided.Min, shape: [2]int64{3, 3}}
	kinds := []kind{k, next}
	what := difference("")
	switch {
	case rank == d.a:
		what = d.what
	case rank == d.b:
		what = d.more
	}
	switch what {
	case ofCount:
		kinds[0].shape = [2]int64{6, 36}
	case ofDType:
		kinds[0].dtype = dtype.Int32
	case ofOp:
		kinds[0].op = strided.Max
	case ofRoot:
		kinds[0].root = d.size - 1
	case ofShape:
		kinds[0].shape = [2]int64{35, 6}
	case ofCollective:
		all := disagreeing()
		kinds[0].collective = all[(slices.Index(all, d.collective)+1)%len(all)]
	case ofOrder:
		slices.Reverse(kinds)
	case ofNothing:
		kinds = kinds[1:]
	}
	var calls []*madeCall
	for _, k := range kinds {
		calls = append(calls, place(k, rank, d.size))
	}
	return calls
}

// place makes the tensors of a call, full of values that are nobody else's.
func place(k kind, rank, ranks int) *madeCall {
	c := &madeCall{kind: k}
	ofDst, ofSrc := int64(1), int64(1)
	switch k.collective {
	case cli.AllGather, cli.Gather:
		ofDst = int64(ranks)
	case cli.ReduceScatter, cli.Scatter:
		ofSrc = int64(ranks)
	case cli.AllToAll:
		ofDst, ofSrc = int64(ranks), int64(ranks)
	}
	tensor := func(blocks int64, tag uint64) (strided.Tensor, []byte) {
		rows, columns := blocks*k.shape[0], k.shape[1]
		b := make([]byte, rows*columns*int64(k.dtype.Size()))
		for i := range b {
			b[i] = byte(oracle.Mix(uint64(rank)<<8|tag, uint64(i)))
		}
		return strided.FromBytes(k.dtype, b).Reshape(rows, columns), b
	}
	c.intoT, c.dst = tensor(ofDst, 0)
	c.fromT, c.src = tensor(ofSrc, 1)
	c.dstWas, c.srcWas = bytes.Clone(c.dst), bytes.Clone(c.src)
	return c
}

func (c *madeCall) make(comm *engine.Comm) error {
	ctx := context.Background()
	switch c.collective {
	case cli.AllReduce:
		return comm.AllReduce(ctx, c.intoT, c.fromT, c.op)
	case cli.ReduceScatter:
		return comm.ReduceScatter(ctx, c.intoT, c.fromT, c.op)
	case cli.Reduce:
		return comm.Reduce(ctx, c.intoT, c.fromT, c.op, c.root)
	case cli.Broadcast:
		return comm.Broadcast(ctx, c.intoT, c.fromT, c.root)
	case cli.AllGather:
		return comm.AllGather(ctx, c.intoT, c.fromT)
	case cli.Gather:
		return comm.Gather(ctx, c.intoT, c.fromT, c.root)
	case cli.Scatter:
		return comm.Scatter(ctx, c.intoT, c.fromT, c.root)
	case cli.AllToAll:
		return comm.AllToAll(ctx, c.intoT, c.fromT)
	}
	return fmt.Errorf("%q is not a collective that ranks disagree about", c.collective)
}

// like reports whether the call is the first of a rank's.
func (c *madeCall) like(other []*madeCall) bool { return c.kind == other[0].kind }

// isRoots reports whether the call is that of a root which sends to others.
func (c *madeCall) isRoots(rank int) bool {
	return rank == c.root && (c.collective == cli.Broadcast || c.collective == cli.Scatter)
}

// intact reports whether nothing of the tensors was written.
func (c *madeCall) intact() bool { return bytes.Equal(c.dst, c.dstWas) && bytes.Equal(c.src, c.srcWas) }

// same is a call that all ranks make alike.
func same(comm *engine.Comm) error {
	x := strided.Of([]int64{1})
	return comm.AllReduce(context.Background(), x, x, strided.Sum)
}
