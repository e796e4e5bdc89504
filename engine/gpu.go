package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/kernels"
)

const (
	// slotCount is how many pinned slots there are for chunks that come, and for
	// chunks that go.
	slotCount = 2 * ringDepth
	// mostStarted is how many collectives of a communicator may be on streams of a
	// device at a time. A stream has room for some thousand commands, and to put one on
	// a full stream waits in the driver, perhaps with what the collectives need to go on.
	mostStarted = 128
)

// settleWait bounds every wait for work on a device that nothing outside of it can
// hold up, and for streams of callers to pass their collectives; a variable for tests.
var settleWait = 10 * time.Second

// gpu is what a communicator holds of a device, from when a tensor of the device is first
// seen until Close.
type gpu struct {
	*sharedGPU
	*gpuKit
	in, out slotRing
	scratch slot // for tensors that fit into a chunk
	// exports: parts of the device's memory can be had as dma-bufs.
	exports bool
}

// slot is pinned memory for one chunk.
type slot struct {
	host []byte
	at   cudaffi.DevicePtr
	// The device is done with it when that is done; it does nothing with it unless
	// pending.
	ticket  kernels.Ticket
	pending bool
	busy    atomic.Bool // it is still to be sent
}

// slotRing hands out slots in turns.
type slotRing struct {
	slots [slotCount]slot
	next  int
}

// newGPU takes what a communicator with chunks of so many bytes needs of a device from
// the store, or makes it. To stock says that the store is then to be filled up.
func newGPU(driver *cudaffi.Driver, ordinal, chunk int, stock bool) (*gpu, error) {
	shared, err := shareGPU(driver, ordinal)
	if err != nil {
		return nil, err
	}
	g := &gpu{sharedGPU: shared}
	if can, err := g.ctx.Device().Attribute(cudaffi.AttributeDMABuf); err == nil {
		g.exports = can != 0
	}
	if g.gpuKit, err = shared.take(chunk); err != nil {
		return nil, errors.Join(err, withoutSticky(shared.release()))
	}
	g.carve()
	if stock {
		shared.stock(chunk)
	}
	return g, nil
}

// carve cuts the pinned memory into slots.
func (g *gpu) carve() {
	at, chunk := 0, g.chunk
	one := func(s *slot) {
		s.host, s.at = g.pinned.Bytes()[at:at+chunk:at+chunk], g.pinned.Device()+cudaffi.DevicePtr(at)
		at += chunk
	}
	for i := range slotCount {
		one(&g.in.slots[i])
		one(&g.out.slots[i])
	}
	one(&g.scratch)
}

// renew makes all slots free for a collective. Nothing of an earlier one is on the
// device any more.
func (g *gpu) renew() {
	for i := range slotCount {
		g.in.slots[i].pending, g.out.slots[i].pending = false, false
	}
}

// settle waits until all agents have ended.
func (g *gpu) settle() error {
	deadline := time.Now().Add(settleWait)
	for p := (patience{}); ; p.pause() {
		idle, err := g.runs.Idle()
		switch {
		case idle:
			return err
		case time.Now().After(deadline):
			return errors.Join(errStuck, err)
		}
	}
}

// close waits until no stream can touch the pinned memory any more and gives all back.
// If a stream does not come that far in time, it keeps it and says so.
func (g *gpu) close() error {
	err := g.settle()
	if errors.Is(err, errStuck) {
		return fmt.Errorf("pinned memory of device %d stays allocated: %w", g.ctx.Device().Ordinal, err)
	}
	if err != nil {
		err = g.discard(g.gpuKit) // nobody else is to have it
	} else {
		err = g.giveBack(g.gpuKit)
	}
	return withoutSticky(err, g.release())
}

// withoutSticky joins errors of freeing. After an error that ended the context there is
// nothing left to be freed, and the driver says so; that is no news.
func withoutSticky(errs ...error) error {
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, cudaffi.ErrSticky) })...)
}

// inside is ctx.Do for functions that free something: it does not give up if the
// context cannot be entered once.
func inside(ctx *cudaffi.Context, f func() error) error {
	entered := false
	do := func() error {
		entered = true
		return f()
	}
	err := ctx.Do(do)
	if err != nil && !entered && !errors.Is(err, cudaffi.ErrSticky) {
		err = errors.Join(err, ctx.Do(do))
	}
	return err
}
