package engine

import (
	"context"

	"github.com/monel-dev/monel/bruck"
	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/strided"
)

// Barrier returns when all ranks have called it.
func (c *Comm) Barrier(ctx context.Context) error { return c.carry(ctx, c.barrier()) }

// StartBarrier is Barrier without the wait, as StartAllReduce is AllReduce.
func (c *Comm) StartBarrier(ctx context.Context, options ...CallOption) (*Work, error) {
	return c.begin(ctx, c.barrier(), options)
}

func (c *Comm) barrier() request {
	return request{
		call: agree.NewCall(agree.Barrier, 0, 0, 0, nil), order: strided.Logical,
		attempt: func(o agree.Op) error {
			if err := c.listenRounds(o, bruck.AllGather(c.size, c.place)); err != nil {
				return err
			}
			for r := range bruck.AllGather(c.size, c.place) {
				if err := c.sendBytes(o, c.order[r.To], nil); err != nil {
					return err
				}
				_, from, err := c.receiveBytes(o, c.order[r.From], 0)
				if err != nil {
					return err
				}
				from.r.Release()
			}
			return nil
		},
	}
}
