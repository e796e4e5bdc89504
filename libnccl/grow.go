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
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.growth.IsZero() {
		return id, usage(engine.InvalidUsage, "rank %d: the id that ncclCommGetUniqueId has made before has not been used by ncclCommGrow yet", c.rank)
	}
	c.growth, err = c.engine.GrowID()
	return c.growth, err
}

// grown forgets an id, which serves once, whatever has come of it.
func (c *comm) grown(id engine.UniqueID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.growth == id {
		c.growth = engine.UniqueID{}
	}
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
		return parent.Grow(ctx, int(size), id)
	}
	c, err := d.prepare()
	if err != nil {
		return result(inGroup(group, err))
	}
	if given != nil {
		join := c.join
		c.join = func(ctx context.Context) (*engine.Comm, error) {
			defer c.parent.grown(id)
			return join(ctx)
		}
	}
	return begin(c, out, group)
}
