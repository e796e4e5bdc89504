package engine

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// request is a collective on tensors in host memory, as its arguments describe it.
// All collectives but the first two, which have ways of their own past it, become
// one before they are carried out, now or later.
type request struct {
	call     agree.Call
	order    strided.Walk // what the ranks compare; see orderOf
	argument string       // the one that is wrong, if err says so
	err      error
	attempt  func(o agree.Op) error
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
	case c.queue.busy():
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
	return &task{call: r.call, walk: r.order, onHost: r.attempt}
}

// checkHost refuses tensors of devices, which these collectives do not take yet.
func checkHost(argument string, t strided.Tensor) (string, error) {
	if t.OnDevice() {
		return argument, fmt.Errorf("%w: this collective takes tensors in host memory only; all_reduce and broadcast take a device's", strided.ErrDevice)
	}
	return "", nil
}

// checkIn and checkOut check a tensor in host memory that will be read or written.
func checkIn(src strided.Tensor) (string, error) {
	if err := src.Err(); err != nil {
		return "src", err
	}
	return checkHost("src", src)
}

func checkOut(dst strided.Tensor) (string, error) {
	if argument, err := checkOutput(dst); err != nil {
		return argument, err
	}
	return checkHost("dst", dst)
}

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
