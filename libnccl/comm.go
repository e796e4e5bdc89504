//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/monel-dev/monel/engine"
)

// comm is what an ncclComm_t stands for.
type comm struct {
	handle             uintptr
	rank, size, device int
	current            int                                             // the device that was current when it was made; -1: none
	blocking           bool                                            // as its configuration says
	family             *family                                         // nil until it has met the others, if it is made of another one
	join               func(ctx context.Context) (*engine.Comm, error) // the others; nil, nil if it is in none
	parent             *comm                                           // that it is made of, or nil
	turn               *turn                                           // among all that are made of that
	nowhere            bool                                            // the rank will be in none, and nobody gets the handle

	life context.Context // of its collectives; ends with abort
	end  context.CancelFunc

	ready  chan struct{} // closed when the ranks have met, or failed to
	engine *engine.Comm  // from then on
	failed error         // why there is none
	waits  atomic.Bool   // it is to meet them at the end of a group
	met    atomic.Bool   // it has begun to meet them, or never will

	onStreams underway // collectives that were put on streams and go on; see begin

	mu        sync.Mutex
	finalized bool
	leaving   bool            // it is being destroyed
	suspended bool            // see monelCommSuspend
	revoked   bool            // by this rank
	working   int             // calls that go on after they have returned, streams' apart
	growth    engine.UniqueID // made by ncclCommGetUniqueId, and not used by ncclCommGrow yet
	growing   bool            // with an id of its own
	latest    *turn           // of what is made of it
	async     error           // the first of a collective on a stream
	scalars   map[int]*scalar
	memory    map[uintptr]unsafe.Pointer // registered, by handle
}

// comms are the communicators that have not been destroyed, by handle. Handles are
// never used again, so one that is used too long is found.
var comms = struct {
	sync.RWMutex
	last uintptr
	by   map[uintptr]*comm
}{last: 0x4d6f0000, by: map[uintptr]*comm{}}

// nextHandle is a number that no handle had before.
func nextHandle() uintptr {
	comms.Lock()
	defer comms.Unlock()
	comms.last += 16
	return comms.last
}

// newComm makes a communicator on a device, or on none if that is negative.
func newComm(rank, size, device int, f *family) *comm {
	c := &comm{
		handle: nextHandle(), rank: rank, size: size, device: max(device, 0), current: device, family: f, blocking: true,
		ready: make(chan struct{}), scalars: map[int]*scalar{}, memory: map[uintptr]unsafe.Pointer{},
	}
	c.life, c.end = context.WithCancel(context.Background())
	comms.Lock()
	defer comms.Unlock()
	comms.by[c.handle] = c
	return c
}

// find is the communicator of a handle.
func find(handle C.uintptr_t) (*comm, error) {
	comms.RLock()
	defer comms.RUnlock()
	if c := comms.by[uintptr(handle)]; c != nil {
		return c, nil
	}
	return nil, noComm(handle)
}

func noComm(handle C.uintptr_t) error {
	if handle == 0 {
		return usage(engine.InvalidArgument, "the communicator is NULL")
	}
	return usage(engine.InvalidArgument, "%#x is no communicator, or one that has been destroyed", uintptr(handle))
}

// take is find, and nobody will find it again.
func take(handle C.uintptr_t) (*comm, error) {
	comms.Lock()
	defer comms.Unlock()
	c := comms.by[uintptr(handle)]
	if c == nil {
		return nil, noComm(handle)
	}
	delete(comms.by, uintptr(handle))
	return c, nil
}

// drop forgets a communicator that never came to be.
func (c *comm) drop() {
	comms.Lock()
	delete(comms.by, c.handle)
	comms.Unlock()
	c.end()
}

// state is the error that the communicator has, or errInProgress.
func (c *comm) state() error {
	select {
	case <-c.ready:
	default:
		return errInProgress
	}
	if c.failed != nil {
		return c.failed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.engine.Err(); err != nil && !(c.revoked && errors.Is(err, engine.ErrRevoked)) {
		return err
	}
	if c.working > 0 {
		return errInProgress
	}
	return c.async
}

// usable returns why no collective can be called, if so.
func (c *comm) usable() error {
	select {
	case <-c.ready:
	default:
		return errNotReady
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.failed != nil:
		return c.failed
	}
	return c.refusing()
}

// refusing returns why calls are refused that would be carried out at another time. The
// caller has mu.
func (c *comm) refusing() error {
	switch {
	case c.finalized:
		return usage(engine.InvalidUsage, "rank %d: the communicator has been finalized; only ncclCommDestroy is left", c.rank)
	case c.suspended:
		return usage(engine.InvalidUsage, "rank %d: the communicator is suspended; call ncclCommResume first", c.rank)
	case c.leaving:
		return noComm(C.uintptr_t(c.handle))
	}
	return nil
}

// begin announces a call that is put on streams, until ended is called. After it, nobody
// who waits for what is on streams misses the call, and before it, it is refused.
func (c *comm) begin() (ended func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.refusing(); err != nil {
		return nil, err
	}
	return c.onStreams.begin(), nil
}

// watch keeps the outcome of calls that were put on streams, and calls free when they
// have ended.
func (c *comm) watch(works []*engine.Work, free func()) {
	go func() {
		defer free()
		for _, w := range works {
			<-w.Done()
			if err := w.Err(); err != nil {
				c.mu.Lock()
				if c.async == nil {
					c.async = err
				}
				c.mu.Unlock()
			}
		}
	}()
}

// beside has f go on after the call that it is part of, and the state say so.
func (c *comm) beside(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.working++
	go func() {
		f()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.working--
	}()
}

// finalize waits for what is on streams or made of it, and refuses what comes later.
func (c *comm) finalize() error {
	if err := c.usable(); err != nil {
		return err
	}
	c.mu.Lock()
	err := c.refusing() // somebody else may have been quicker
	if err == nil && c.revoked {
		err = usage(engine.InvalidUsage, "rank %d: the communicator has been revoked; only ncclCommSplit, Shrink, Destroy and Abort are left", c.rank)
	}
	c.finalized = c.finalized || err == nil
	c.mu.Unlock()
	if err != nil {
		return err
	}
	c.onStreams.wait()
	return c.settled(c.life)
}

// destroy ends this rank's part in the communicator, which nobody finds any more.
func (c *comm) destroy() error {
	c.giveUp()
	<-c.ready
	if c.failed != nil {
		c.end()
		return nil
	}
	c.mu.Lock()
	c.leaving = true
	c.mu.Unlock()
	c.onStreams.wait()
	defer c.end()
	return c.family.leave(c.engine.Close)
}

// abort is destroy at once, whatever is in progress here or elsewhere.
func (c *comm) abort() error {
	defer c.end()
	select {
	case <-c.ready:
	default: // the others have not all come; it need not wait for them
		c.giveUp()
		c.end()
		<-c.ready
	}
	if c.failed != nil {
		return nil
	}
	c.family.part()
	return c.engine.Abort()
}
