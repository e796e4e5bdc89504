//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"context"
	"unsafe"

	"github.com/monel-dev/monel/engine"
)

// derivation is one of the calls that make a communicator of another one's ranks.
type derivation struct {
	of      C.uintptr_t
	out     *C.ncclComm_t
	config  *C.ncclConfig_t // NULL: as the parent
	group   C.uintptr_t
	name    string                   // of the new communicator, or "": what config says, from prepare on
	nowhere bool                     // this rank will be in none: out becomes NULL
	check   func(parent *comm) error // of what else the call says
	from    func(ctx context.Context, parent *engine.Comm) (*engine.Comm, error)
}

// derive makes the communicator when its turn has come: now, at the group's end, or beside
// the caller if it is not to block.
func (d *derivation) derive() C.int {
	c, err := d.prepare()
	if err != nil {
		return result(inGroup(d.group, err))
	}
	return begin(c, d.out, d.group)
}

func (d *derivation) prepare() (*comm, error) {
	parent, err := find(d.of)
	if err != nil {
		return nil, err
	}
	if err := parent.usable(); err != nil {
		return nil, err
	}
	if d.out == nil {
		return nil, usage(engine.InvalidArgument, "rank %d: no place for the new communicator", parent.rank)
	}
	blocking := parent.blocking
	if d.config != nil {
		if blocking, err = readConfig(d.config); err != nil {
			return nil, err
		}
	}
	if d.check != nil {
		if err := d.check(parent); err != nil {
			return nil, err
		}
	}
	d.name = nameIn(d.config)
	put(d.out, 0)
	c := newComm(parent.rank, parent.size, parent.current, nil)
	c.blocking, c.parent, c.nowhere = blocking, parent, d.nowhere
	c.turn = parent.lineUp()
	c.join = func(ctx context.Context) (*engine.Comm, error) {
		defer c.turn.pass()
		if err := c.turn.come(ctx); err != nil {
			return nil, err
		}
		return d.from(ctx, parent.engine)
	}
	return c, nil
}

//export monelCommSplit
func monelCommSplit(of C.uintptr_t, color, key C.int, out *C.ncclComm_t, config *C.ncclConfig_t, group C.uintptr_t) C.int {
	d := derivation{of: of, out: out, config: config, group: group, nowhere: color == C.NCCL_SPLIT_NOCOLOR}
	d.from = func(ctx context.Context, parent *engine.Comm) (*engine.Comm, error) {
		return parent.Split(ctx, int(color), int(key), engine.Named(d.name))
	}
	return d.derive()
}

//export monelCommShrink
func monelCommShrink(of C.uintptr_t, exclude *C.int, n C.int, out *C.ncclComm_t, config *C.ncclConfig_t, flags C.int, group C.uintptr_t) C.int {
	if n < 0 || n > 0 && exclude == nil {
		return result(inGroup(group, usage(engine.InvalidArgument, "ncclCommShrink: a list of %d ranks", int(n))))
	}
	ranks := make([]int, n)
	for i, r := range unsafe.Slice(exclude, n) {
		ranks[i] = int(r)
	}
	d := derivation{of: of, out: out, config: config, group: group}
	d.from = func(ctx context.Context, parent *engine.Comm) (*engine.Comm, error) {
		return parent.Shrink(ctx, ranks, engine.ShrinkFlags(flags), engine.Named(d.name))
	}
	return d.derive()
}
