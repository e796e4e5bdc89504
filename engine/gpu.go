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

// gpu is what a communicator holds of a device: pinned memory, agents and a stream,
// all made when a tensor of the device is first seen and kept until Close. To make or
// free them later may wait for all that is on the device, and with it for streams
// that wait for this very communicator.
type gpu struct {
	*sharedGPU
	pinned  *cudaffi.Pinned
	in, out slotRing
	scratch slot // for tensors that fit into a chunk
	runs    *kernels.Runs

	// own is the stream of collectives whose callers wait themselves, and point marks
	// what they follow. opened says that own has been made. Guarded by the queue's order.
	own    cudaffi.Stream
	opened bool
	point  cudaffi.Event
	marks  bool // point has been made
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

// newGPU makes what a communicator with chunks of so many bytes needs of a device.
func newGPU(driver *cudaffi.Driver, ordinal, chunk int) (_ *gpu, err error) {
	shared, err := shareGPU(driver, ordinal)
	if err != nil {
		return nil, err
	}
	g := &gpu{sharedGPU: shared}
	if can, err := g.ctx.Device().Attribute(cudaffi.AttributeDMABuf); err == nil {
		g.exports = can != 0
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.free())
		}
	}()
	return g, g.ctx.Do(func() error { return g.allocate(chunk) })
}

// allocate makes what there is to be made.
func (g *gpu) allocate(chunk int) (err error) {
	if g.runs, err = g.agent.NewRuns(mostStarted); err != nil {
		return err
	}
	if g.own, err = g.ctx.NewStream(cudaffi.PriorityHighest); err != nil {
		return err
	}
	g.opened = true
	if g.point, err = g.ctx.NewEvent(); err != nil {
		return err
	}
	g.marks = true
	if g.pinned, err = g.ctx.AllocPinned((2*slotCount + 1) * chunk); err != nil {
		return err
	}
	at := 0
	carve := func(s *slot) {
		s.host, s.at = g.pinned.Bytes()[at:at+chunk:at+chunk], g.pinned.Device()+cudaffi.DevicePtr(at)
		at += chunk
	}
	for i := range slotCount {
		carve(&g.in.slots[i])
		carve(&g.out.slots[i])
	}
	carve(&g.scratch)
	return nil
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

// close waits until no stream can touch the pinned memory any more and frees all.
// If a stream does not come that far in time, it frees nothing and says so.
func (g *gpu) close() error {
	err := g.settle()
	if errors.Is(err, errStuck) {
		return fmt.Errorf("pinned memory of device %d stays allocated: %w", g.ctx.Device().Ordinal, err)
	}
	return g.free()
}

// free frees what there is. After an error that ended the context there is nothing
// left to be freed, and the driver says so; that is no news.
func (g *gpu) free() error {
	var errs []error
	err := inside(g.ctx, func() error {
		errs = g.freeAll()
		return nil
	})
	errs = append(errs, err, g.sharedGPU.release())
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, cudaffi.ErrSticky) })...)
}

func (g *gpu) freeAll() (errs []error) {
	if g.opened {
		errs = append(errs, cudaffi.Ensure(g.own.Destroy))
	}
	if g.marks {
		errs = append(errs, cudaffi.Ensure(g.point.Destroy))
	}
	if g.runs != nil {
		errs = append(errs, g.runs.Free())
	}
	if g.pinned != nil {
		errs = append(errs, cudaffi.Ensure(g.pinned.Free))
	}
	return errs
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
