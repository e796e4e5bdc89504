//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"context"
	"unsafe"

	"github.com/monel-dev/monel/engine"
)

//export monelCommGrowID
func monelCommGrowID(handle C.uintptr_t, out *C.ncclUniqueId) C.int {
	id, err := growID(handle, out)
	if err == nil {
		*(*engine.UniqueID)(unsafe.Pointer(out)) = id
	}
	return result(err)
}

func growID(handle C.uintptr_t, out *C.ncclUniqueId) (id engine.UniqueID, err error) {
	c, err := find(handle)
	if err == nil {
		err = c.usable()
	}
	if err != nil {
		return id, err
	}
	if out == nil {
		return id, usage(engine.InvalidArgument, "ncclCommGetUniqueId: uniqueId is NULL")
	}
	return c.growID()
}

// growID makes the id of the next growth, as NCCL has it: not while an earlier one can
// still be used, or is being used.
func (c *comm) growID() (engine.UniqueID, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.growing {
		return engine.UniqueID{}, usage(engine.InvalidUsage, "rank %d: ncclCommGetUniqueId: the communicator is growing; call again when ncclCommGrow has ended", c.rank)
	}
	id, err := c.engine.GrowID() // the earlier one, unless it serves nobody any more
	switch {
	case err != nil:
		return engine.UniqueID{}, err
	case id == c.growth:
		return engine.UniqueID{}, usage(engine.InvalidUsage, "rank %d: the id that ncclCommGetUniqueId has made before has not been used by ncclCommGrow yet", c.rank)
	}
	c.growth = id
	return id, nil
}

// grow is a growth with an id, of which the one that this rank has made serves once,
// whatever comes of it. Programs pass that on the one rank, on all or on none.
func (c *comm) grow(id engine.UniqueID, join func() (*engine.Comm, error)) (*engine.Comm, error) {
	c.mu.Lock()
	c.growing = true
	if id.IsZero() {
		id = c.growth
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.growing = false
		if c.growth == id {
			c.growth = engine.UniqueID{}
		}
	}()
	return join()
}

const growFunction = "ncclCommGrow"

//export monelCommGrow
func monelCommGrow(of C.uintptr_t, size C.int, given *C.ncclUniqueId, rank C.int, out *C.ncclComm_t, config *C.ncclConfig_t, group C.uintptr_t) C.int {
	var id engine.UniqueID
	if given != nil {
		id = *(*engine.UniqueID)(unsafe.Pointer(given))
	}
	if of == 0 {
		if given == nil {
			return result(inGroup(group, usage(engine.InvalidArgument, "ncclCommGrow: a new rank has no communicator, and needs the uniqueId")))
		}
		c, err := newRank(growFunction, out, int(size), []engine.UniqueID{id}, int(rank), config)
		if err != nil {
			return result(inGroup(group, err))
		}
		return begin(c, out, group)
	}
	d := derivation{of: of, out: out, config: config, group: group}
	d.check = func(parent *comm) error {
		if rank != -1 {
			return usage(engine.InvalidArgument, "rank %d: ncclCommGrow: rank %d; ranks that are there already keep their number, and give -1", parent.rank, int(rank))
		}
		return nil
	}
	d.from = func(ctx context.Context, parent *engine.Comm) (*engine.Comm, error) {
		return parent.Grow(ctx, int(size), id, engine.Named(d.name))
	}
	c, err := d.prepare()
	if err != nil {
		return result(inGroup(group, err))
	}
	join := c.join
	c.join = func(ctx context.Context) (*engine.Comm, error) {
		return c.parent.grow(id, func() (*engine.Comm, error) { return join(ctx) })
	}
	return begin(c, out, group)
}
