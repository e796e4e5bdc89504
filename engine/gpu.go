package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/monel-dev/monel/cudaffi"
)

const (
	// laneCount is how many streams a communicator spreads the chunks of an
	// operation over: enough that the gap between two kernels on one is filled by
	// others, and that both directions of the bus are busy.
	laneCount = 4
	// slotCount is how many pinned slots there are for chunks that come, and for
	// chunks that go.
	slotCount = 2 * ringDepth
	// wordStride keeps words that different parties write on different cache lines.
	wordStride = 64
)

// settleWait bounds every wait for work on a device that nothing outside of it can
// hold up, and for streams of callers to pass their waits; a variable for tests.
var settleWait = 10 * time.Second

// gpu is what a communicator holds of a device: pinned memory and streams, all
// made when a tensor of the device is first seen and kept until Close. To make or
// free them later may wait for all that is on the device, and with it for streams
// that wait for this very communicator.
type gpu struct {
	*sharedGPU
	pinned  *cudaffi.Pinned
	lanes   [laneCount]lane
	turn    int // the next chunk's lane
	in, out slotRing
	scratch slot // for tensors that fit into a chunk

	// flag is the word that callers' streams wait on: it holds the number of the
	// last ticket that has been served.
	flag   *uint32
	flagAt cudaffi.DevicePtr
	// tickets is how many have been given out, and passages the waits that callers'
	// streams have not been seen to have behind them. Guarded by the queue's order.
	tickets  uint32
	passages []passage

	mu     sync.Mutex
	events []cudaffi.Event // free ones
}

// slot is pinned memory for one chunk.
type slot struct {
	host []byte
	at   cudaffi.DevicePtr
	// The device is done with it when lane has reached mark; it does nothing with it
	// if lane is nil.
	lane *lane
	mark uint32
	busy atomic.Bool // it is still to be sent
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
	defer func() {
		if err != nil {
			err = errors.Join(err, g.free())
		}
	}()
	return g, g.ctx.Do(func() error { return g.allocate(chunk) })
}

// allocate makes what there is to be made.
func (g *gpu) allocate(chunk int) (err error) {
	words := (1 + laneCount) * wordStride
	g.pinned, err = g.ctx.AllocPinned(words + (2*slotCount+1)*chunk)
	if err != nil {
		return err
	}
	clear(g.pinned.Bytes()[:words])
	g.flag, g.flagAt = g.word(0)
	for i := range g.lanes {
		if err := g.lanes[i].open(g, 1+i); err != nil {
			return err
		}
	}
	at := words
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

// word is the i-th word of the pinned memory.
func (g *gpu) word(i int) (*uint32, cudaffi.DevicePtr) {
	return (*uint32)(unsafe.Pointer(&g.pinned.Bytes()[i*wordStride])), g.pinned.Device() + cudaffi.DevicePtr(i*wordStride)
}

// nextLane is the lane for the next chunk.
func (g *gpu) nextLane() *lane {
	l := &g.lanes[g.turn]
	g.turn = (g.turn + 1) % laneCount
	return l
}

// event is an event to be given back with putEvent.
func (g *gpu) event() (cudaffi.Event, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if last := len(g.events) - 1; last >= 0 {
		e := g.events[last]
		g.events = g.events[:last]
		return e, nil
	}
	return g.ctx.NewEvent()
}

func (g *gpu) putEvent(e cudaffi.Event) {
	g.mu.Lock()
	g.events = append(g.events, e)
	g.mu.Unlock()
}

// drain waits until nothing of the communicator's is on the device any more.
func (g *gpu) drain() error {
	var errs []error
	for i := range g.lanes {
		errs = append(errs, g.lanes[i].drain())
	}
	return errors.Join(errs...)
}

// close waits until no stream can touch the pinned memory any more and frees all.
// If a stream does not come that far in time, it frees nothing and says so.
func (g *gpu) close() error {
	err := errors.Join(g.drain(), g.awaitPassages())
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
	for i := range g.lanes {
		errs = append(errs, g.lanes[i].close())
	}
	for _, e := range g.events {
		errs = append(errs, release(e.Destroy))
	}
	g.events = nil
	if g.pinned != nil {
		errs = append(errs, release(g.pinned.Free))
	}
	return errs
}

// release calls a function that frees something, a second time if the driver failed
// before it came to that.
func release(free func() error) error {
	err := free()
	var e *cudaffi.Error
	if errors.As(err, &e) && (e.Call == "cuCtxGetCurrent" || e.Call == "cuCtxPushCurrent") && !errors.Is(err, cudaffi.ErrSticky) {
		return errors.Join(err, free())
	}
	return err
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
