package engine

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// request is a collective, as its arguments describe it. Collectives whose short calls
// should not allocate have ways of their own past it.
type request struct {
	call     agree.Call
	order    strided.Walk // what the ranks compare; see orderOf
	argument string       // the one that is wrong, if err says so
	err      error
	attempt  func(o agree.Op) error // on tensors in host memory, or reached so
	reach    *reach                 // to those of a device, if there are any
	empty    bool                   // there are, but without elements
}

// refused is a request whose arguments are wrong.
func refused(call agree.Call, argument string, err error) request {
	return request{call: call, argument: argument, err: err}
}

// carry carries a request out and waits until it has ended.
func (c *Comm) carry(ctx context.Context, r request) error {
	switch {
	case r.err != nil:
		return c.refuse(&r.call, r.argument, r.err)
	case c.queue.busy() || r.reach != nil:
		return c.runTask(ctx, r.task())
	}
	return c.run(ctx, &r.call, r.order, r.attempt)
}

// begin queues a request.
func (c *Comm) begin(ctx context.Context, r request, options []CallOption) (*Work, error) {
	if r.err != nil {
		return nil, c.refuseLater(r.call, r.argument, r.err)
	}
	return c.startTask(ctx, r.task(), options)
}

func (r *request) task() *task {
	t := &task{call: r.call, walk: r.order, onHost: r.attempt, reach: r.reach, empty: r.empty}
	if r.reach != nil {
		t.tensors = r.reach.tensors
	}
	return t
}

// checkIn and checkOut check a tensor that will be read or written.
func checkIn(src strided.Tensor) (string, error) { return "src", src.Err() }

func checkOut(dst strided.Tensor) (string, error) { return checkOutput(dst) }

// checkRank checks the number of a rank.
func (c *Comm) checkRank(argument string, rank int) (string, error) {
	if rank < 0 || rank >= c.size {
		return argument, fmt.Errorf("%d is not a rank of this communicator of %d; give a rank from 0 to %d", rank, c.size, c.size-1)
	}
	return "", nil
}

func (c *Comm) checkOperator(op Op, of strided.Tensor) (string, error) {
	if _, err := c.operatorOf(op, of.DType()); err != nil {
		return "op", err
	}
	return "", nil
}

// first returns the first of some checks' results that is an error.
func first(checks ...func() (string, error)) (string, error) {
	for _, check := range checks {
		if argument, err := check(); err != nil {
			return argument, err
		}
	}
	return "", nil
}
