//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"context"
	"unsafe"

	"github.com/monel-dev/monel/engine"
)

// derive makes a communicator of another one's ranks, now or at the group's end, or
// beside the caller if config says so. Where the rank is in none, out becomes NULL.
func derive(out *C.ncclComm_t, of C.uintptr_t, config *C.ncclConfig_t, group C.uintptr_t, from func(ctx context.Context, parent *engine.Comm) (*engine.Comm, error)) C.int {
	parent, err := find(of)
	blocking := true
	if err == nil {
		err = parent.usable()
	}
	if err == nil && out == nil {
		err = usage(engine.InvalidArgument, "rank %d: no place for the new communicator", parent.rank)
	}
	if err == nil {
		blocking, err = readConfig(config)
	}
	if err != nil {
		return result(inGroup(group, err))
	}
	put(out, 0)
	c := newComm(parent.rank, parent.size, parent.current, &family{members: 1})
	c.join = func(ctx context.Context) (*engine.Comm, error) { return from(ctx, parent.engine) }
	return begin(c, out, blocking, group)
}

//export monelCommSplit
func monelCommSplit(of C.uintptr_t, color, key C.int, out *C.ncclComm_t, config *C.ncclConfig_t, group C.uintptr_t) C.int {
	return derive(out, of, config, group, func(ctx context.Context, parent *engine.Comm) (*engine.Comm, error) {
		return parent.Split(ctx, int(color), int(key))
	})
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
	return derive(out, of, config, group, func(ctx context.Context, parent *engine.Comm) (*engine.Comm, error) {
		return parent.Shrink(ctx, ranks, engine.ShrinkFlags(flags))
	})
}

//export monelCommRevoke
func monelCommRevoke(of C.uintptr_t, flags C.int) C.int {
	c, err := find(of)
	if err == nil {
		err = c.usable()
	}
	if err == nil && flags != C.NCCL_REVOKE_DEFAULT {
		err = usage(engine.InvalidArgument, "ncclCommRevoke: flags %d; give NCCL_REVOKE_DEFAULT", int(flags))
	}
	if err != nil {
		return result(err)
	}
	return result(c.engine.Revoke())
}
