//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"context"
	"errors"
	"slices"
	"unsafe"

	"github.com/monel-dev/monel/engine"
)

//export monelUniqueID
func monelUniqueID(out *C.ncclUniqueId) C.int {
	if out == nil {
		return result(usage(engine.InvalidArgument, "ncclGetUniqueId: uniqueId is NULL"))
	}
	id, err := newID()
	if err != nil {
		return result(err)
	}
	*(*engine.UniqueID)(unsafe.Pointer(out)) = id
	return result(nil)
}

// put writes a communicator's handle to where the caller wants it.
func put(out *C.ncclComm_t, handle uintptr) { *(*uintptr)(unsafe.Pointer(out)) = handle }

//export monelCommInit
func monelCommInit(out *C.ncclComm_t, nranks C.int, id *C.ncclUniqueId, n, rank C.int, config *C.ncclConfig_t, group C.uintptr_t) C.int {
	ids := unsafe.Slice((*engine.UniqueID)(unsafe.Pointer(id)), n)
	c, err := newRank("ncclCommInitRank", out, int(nranks), slices.Clone(ids), int(rank), config)
	if err != nil {
		return result(inGroup(group, err))
	}
	return begin(c, out, group)
}

// begin makes a communicator meet its others: before it returns, at the group's end, or
// beside the caller.
func begin(c *comm, out *C.ncclComm_t, group C.uintptr_t) C.int {
	if !c.nowhere {
		put(out, c.handle)
	}
	p := pendingInit{c, out}
	if group != 0 {
		g := groupOf(group)
		c.waits.Store(true)
		if !c.blocking {
			g.later = append(g.later, p)
			return result(errInProgress)
		}
		g.inits = append(g.inits, p)
		return result(nil)
	}
	if !c.blocking {
		p.start()
		return result(errInProgress)
	}
	return result(p.meet())
}

// start is meet beside the caller. The communicator's state says what has come of it.
func (p pendingInit) start() {
	meet := func() {
		if _ = p.c.meet(); p.c.nowhere {
			p.c.drop()
		}
	}
	if p.c.parent != nil {
		p.c.parent.beside(meet)
		return
	}
	go meet()
}

// meet is comm.meet, after which a communicator that did not come to be is NULL.
func (p pendingInit) meet() error {
	err := p.c.meet()
	if p.c.failed != nil {
		p.c.drop()
		put(p.out, 0)
	}
	return err
}

// errNone is why a rank of NCCL_SPLIT_NOCOLOR has no communicator.
var errNone = usage(engine.InvalidUsage, "the rank is in none of the new communicators")

// newRank checks the arguments of a function and makes a communicator that has not met
// the others.
func newRank(function string, out *C.ncclComm_t, size int, ids []engine.UniqueID, rank int, config *C.ncclConfig_t) (*comm, error) {
	switch {
	case out == nil:
		return nil, usage(engine.InvalidArgument, "%s: comm is NULL", function)
	case size < 1 || rank < 0 || rank >= size:
		return nil, usage(engine.InvalidArgument, "%s: rank %d of %d; give a rank from 0 to nranks-1", function, rank, size)
	}
	blocking, err := readConfig(config)
	if err != nil {
		return nil, err
	}
	cfg := settings()
	cfg.Rank, cfg.Size, cfg.Name = rank, size, nameIn(config)
	if function != growFunction { // whose id is made by the engine, and as secret
		ids = keyedIDs(ids)
	}
	c := newComm(rank, size, int(C.monel_current_device()), joinFamily(ids[0]))
	c.blocking = blocking
	c.join = func(ctx context.Context) (*engine.Comm, error) { return engine.InitScalable(ctx, cfg, ids) }
	return c, nil
}

// meet joins the communicator to its other ranks.
func (c *comm) meet() error {
	if !c.met.CompareAndSwap(false, true) {
		<-c.ready // it was given up before its turn came
		return c.failed
	}
	e, err := c.join(c.life)
	c.engine, c.failed = e, err
	switch {
	case err != nil:
		c.family.part()
	case e == nil:
		c.failed = errNone
	default:
		c.rank, c.size = e.Rank(), e.Size()
		if c.family == nil {
			c.family = familyOf(e)
		} else {
			c.family.complete()
		}
		if c.current >= 0 {
			// While other communicators wait on streams it might have to wait for them. An
			// error comes again with the first tensor.
			_ = e.UseDevice(c.current)
		}
	}
	close(c.ready)
	return err
}

// giveUp ends a communicator that has not begun to meet its others, as in a group whose
// end has not come.
func (c *comm) giveUp() {
	if c.waits.Load() && c.met.CompareAndSwap(false, true) {
		c.failed = usage(engine.InvalidUsage, "rank %d: the communicator was destroyed before its group had ended", c.rank)
		c.family.part()
		c.turn.pass()
		close(c.ready)
	}
}

//export monelCommInitLaunched
func monelCommInitLaunched(out *C.ncclComm_t) C.int {
	if out == nil {
		return result(usage(engine.InvalidArgument, "monelCommInitEnv: comm is NULL"))
	}
	put(out, 0)
	cfg, err := engine.FromVariables(getenv)
	if err != nil {
		return result(usage(engine.InvalidUsage, "%v", err))
	}
	if keyNow() != nil {
		return result(usage(engine.InvalidUsage, "monelCommInitEnv: ncclSetEncryption's key is for unique ids, and the launcher gives none; make an id, or set MONEL_SECRET and MONEL_ENCRYPT=1"))
	}
	cfg.Logger = silentUnlessAsked(cfg.Logger)
	c := newComm(cfg.Rank, cfg.Size, int(C.monel_current_device()), joinFamily(nil))
	c.join = func(ctx context.Context) (*engine.Comm, error) { return engine.Init(ctx, cfg) }
	if err := c.meet(); err != nil {
		c.drop()
		return result(err)
	}
	put(out, c.handle)
	return result(nil)
}

//export monelCommInitAll
func monelCommInitAll(out *C.ncclComm_t, n C.int, devices *C.int) C.int {
	if out == nil || n < 1 {
		return result(usage(engine.InvalidArgument, "ncclCommInitAll: %d devices; give at least 1, and room for as many communicators", int(n)))
	}
	ordinals := make([]int, n)
	seen := map[int]bool{}
	for i := range ordinals {
		ordinals[i] = i
		if devices != nil {
			ordinals[i] = int(unsafe.Slice(devices, n)[i])
		}
		if seen[ordinals[i]] {
			return result(usage(engine.InvalidUsage, "ncclCommInitAll: device %d is there twice", ordinals[i]))
		}
		seen[ordinals[i]] = true
	}
	ranks, err := engine.NewLocal(int(n), settings())
	if err != nil {
		return result(err)
	}
	handles := unsafe.Slice((*uintptr)(unsafe.Pointer(out)), n)
	for rank, e := range ranks {
		c := newComm(rank, int(n), ordinals[rank], familyOf(e))
		c.engine = e
		if cuda() != nil {
			_ = e.UseDevice(ordinals[rank]) // as in meet
		}
		close(c.ready)
		handles[rank] = c.handle
	}
	return result(nil)
}

//export monelCommFinalize
func monelCommFinalize(handle C.uintptr_t) C.int {
	c, err := find(handle)
	if err != nil {
		return result(err)
	}
	return result(c.finalize())
}

//export monelCommDestroy
func monelCommDestroy(handle C.uintptr_t) C.int {
	if handle == 0 {
		return result(nil) // as in NCCL
	}
	c, err := take(handle)
	if err != nil {
		return result(err)
	}
	return result(c.destroy())
}

//export monelCommAbort
func monelCommAbort(handle C.uintptr_t) C.int {
	if handle == 0 {
		return result(nil)
	}
	c, err := take(handle)
	if err != nil {
		return result(err)
	}
	return result(c.abort())
}

//export monelCommState
func monelCommState(handle C.uintptr_t, state *C.int) C.int {
	c, err := find(handle)
	if err != nil {
		*state = C.int(resultOf(err))
		return result(err)
	}
	if err := c.state(); err != nil {
		*state = C.int(resultOf(err))
	}
	return result(nil)
}

//export monelCommError
func monelCommError(handle C.uintptr_t, text *C.char, room C.size_t) {
	c, err := find(handle)
	if err != nil {
		return // the thread's last error says more
	}
	if err := c.state(); err != nil && !errors.Is(err, errInProgress) {
		to := unsafe.Slice((*byte)(unsafe.Pointer(text)), room)
		to[copy(to[:room-1], err.Error())] = 0
	}
}

//export monelCommAsk
func monelCommAsk(handle C.uintptr_t, what C.int, answer *C.int) C.int {
	c, err := find(handle)
	if err != nil {
		return result(err)
	}
	if err := c.usable(); errors.Is(err, errNotReady) {
		return result(err)
	}
	switch what {
	case C.MONEL_ASK_COUNT:
		*answer = C.int(c.size)
	case C.MONEL_ASK_RANK:
		*answer = C.int(c.rank)
	default:
		*answer = C.int(c.device)
	}
	return result(nil)
}
