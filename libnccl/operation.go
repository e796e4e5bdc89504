//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"context"
	"sync"
	"unsafe"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// operation is a collective or message with its arguments checked as far as this rank
// alone can.
type operation struct {
	c        *comm
	kind     C.int
	dst, src strided.Tensor
	op       engine.Op
	root     int  // or peer
	device   int  // of the tensors that have elements, or onHost
	later    bool // it has no elements, and nobody waits for it
	stream   uintptr
	free     func() // to be called when it has ended
}

// buffers is what NCCL says of a kind's buffers: how many blocks they have, and whether
// only the root's matter.
type buffers struct {
	send, recv         int // 0: none, 1: one, all: one for each rank
	sendRoot, recvRoot bool
	reduces, rooted    bool
}

const all = -1

var kinds = [...]buffers{
	C.MONEL_ALL_REDUCE:     {send: 1, recv: 1, reduces: true},
	C.MONEL_BROADCAST:      {send: 1, recv: 1, sendRoot: true, rooted: true},
	C.MONEL_REDUCE:         {send: 1, recv: 1, recvRoot: true, rooted: true, reduces: true},
	C.MONEL_ALL_GATHER:     {send: 1, recv: all},
	C.MONEL_REDUCE_SCATTER: {send: all, recv: 1, reduces: true},
	C.MONEL_ALL_TO_ALL:     {send: all, recv: all},
	C.MONEL_GATHER:         {send: 1, recv: all, recvRoot: true, rooted: true},
	C.MONEL_SCATTER:        {send: all, recv: 1, sendRoot: true, rooted: true},
	C.MONEL_SEND:           {send: 1, rooted: true},
	C.MONEL_RECV:           {recv: 1, rooted: true},
}

// read checks a call's arguments.
func (o *operation) read(call *C.monelCall) error {
	c, err := find(call.comm)
	if err == nil {
		err = c.usable()
	}
	if err != nil {
		return err
	}
	b := &kinds[call.kind]
	*o = operation{c: c, kind: call.kind, root: int(call.root), device: onHost, stream: uintptr(call.stream), free: nothing}
	if b.rooted && (o.root < 0 || o.root >= c.size) {
		return usage(engine.InvalidArgument, "rank %d: root or peer %d is no rank of the %d of the communicator", c.rank, o.root, c.size)
	}
	send, recv, err := readCollConfig(call.config)
	if err != nil {
		return err
	}
	if b.send != 0 && (!b.sendRoot || o.root == c.rank) {
		if o.src, err = o.tensor("send", call, unsafe.Pointer(call.send), b.send, send); err != nil {
			return err
		}
	}
	switch {
	case b.recv == 0 || b.recvRoot && o.root != c.rank:
	case b.send == b.recv && call.send == call.recv && call.strided == 0 && recv == send && !b.sendRoot:
		o.dst = o.src
	default:
		if o.dst, err = o.tensor("recv", call, unsafe.Pointer(call.recv), b.recv, recv); err != nil {
			return err
		}
	}
	if b.reduces {
		o.op, o.free, err = c.opOf(int(call.op))
	}
	return err
}

func nothing() {}

// spare are operations that have ended, for calls that wait for theirs: most do, and are
// short.
var spare = sync.Pool{New: func() any { return new(operation) }}

// tensor is one of a call's tensors: a monelTensor_t, or a buffer, which has a layout
// if the call's configuration says so.
func (o *operation) tensor(name string, call *C.monelCall, p unsafe.Pointer, blocks int, layout *C.monelTensor_t) (t strided.Tensor, err error) {
	if blocks == all {
		blocks = o.c.size
	}
	var device int
	switch {
	case call.strided != 0:
		layout = (*C.monelTensor_t)(p)
		if layout == nil {
			return t, usage(engine.InvalidArgument, "rank %d: %s is NULL", o.c.rank, name)
		}
		t, device, err = o.c.tensorOf(name, layout, layout.data)
	case layout != nil:
		switch {
		case layout.data != nil && layout.data != p:
			return t, usage(engine.InvalidArgument, "rank %d: the layout of %s is for memory at %p, and the buffer is at %p", o.c.rank, name, layout.data, p)
		case C.int(layout.dtype) != call.dtype:
			return t, usage(engine.InvalidArgument, "rank %d: the layout of %s has data type %d, and the call %d", o.c.rank, name, layout.dtype, call.dtype)
		}
		t, device, err = o.c.tensorOf(name, layout, p)
		if err == nil && uint64(t.Count()) != uint64(call.count)*uint64(blocks) {
			return t, usage(engine.InvalidArgument, "rank %d: the layout of %s has %d elements, and the buffer %d", o.c.rank, name, t.Count(), uint64(call.count)*uint64(blocks))
		}
	default:
		dt, e := dtypeOf(call.dtype)
		if e != nil {
			return t, e
		}
		t, device, err = o.c.bufferOf(name, p, dt, uint64(call.count), blocks)
	}
	switch {
	case err != nil:
	case t.Count() == 0:
		o.later = o.later || device != onHost || p == nil && o.c.current >= 0 && cuda() != nil
	case device != onHost:
		o.device = device
	}
	return t, err
}

// streams reports whether the operation belongs on a stream, and its caller does not wait.
// Where there are no elements it cannot be seen; then buffers of a device tell, or that
// there are none where the communicator works with a device.
func (o *operation) streams() bool { return o.device != onHost || o.later && !o.needsHost() }

func (o *operation) message() bool { return o.kind == C.MONEL_SEND || o.kind == C.MONEL_RECV }

// run carries the operation out, on tensors in host memory, and waits for it.
func (o *operation) run(ctx context.Context) error {
	e := o.c.engine
	switch o.kind {
	case C.MONEL_ALL_REDUCE:
		return e.AllReduce(ctx, o.dst, o.src, o.op)
	case C.MONEL_BROADCAST:
		return e.Broadcast(ctx, o.dst, o.src, o.root)
	case C.MONEL_REDUCE:
		return e.Reduce(ctx, o.dst, o.src, o.op, o.root)
	case C.MONEL_ALL_GATHER:
		return e.AllGather(ctx, o.dst, o.src)
	case C.MONEL_REDUCE_SCATTER:
		return e.ReduceScatter(ctx, o.dst, o.src, o.op)
	case C.MONEL_ALL_TO_ALL:
		return e.AllToAll(ctx, o.dst, o.src)
	case C.MONEL_GATHER:
		return e.Gather(ctx, o.dst, o.src, o.root)
	case C.MONEL_SCATTER:
		return e.Scatter(ctx, o.dst, o.src, o.root)
	case C.MONEL_SEND:
		return e.Send(ctx, o.src, o.root)
	default:
		return e.Recv(ctx, o.dst, o.root)
	}
}

// add adds the operation to a group of the engine. Its error is one of the group's.
func (o *operation) add(g *engine.Group) {
	switch o.kind {
	case C.MONEL_ALL_REDUCE:
		_ = g.AllReduce(o.dst, o.src, o.op)
	case C.MONEL_BROADCAST:
		_ = g.Broadcast(o.dst, o.src, o.root)
	case C.MONEL_REDUCE:
		_ = g.Reduce(o.dst, o.src, o.op, o.root)
	case C.MONEL_ALL_GATHER:
		_ = g.AllGather(o.dst, o.src)
	case C.MONEL_REDUCE_SCATTER:
		_ = g.ReduceScatter(o.dst, o.src, o.op)
	case C.MONEL_ALL_TO_ALL:
		_ = g.AllToAll(o.dst, o.src)
	case C.MONEL_GATHER:
		_ = g.Gather(o.dst, o.src, o.root)
	case C.MONEL_SCATTER:
		_ = g.Scatter(o.dst, o.src, o.root)
	case C.MONEL_SEND:
		_ = g.Send(o.src, o.root)
	default:
		_ = g.Recv(o.dst, o.root)
	}
}
