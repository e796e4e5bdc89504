package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/kernels"
)

// gate puts a collective in its place among the work of a caller's stream:
//
//	earlier work | agent | later work
//
// The collective begins when the agent does, has the agent do what there is to do
// with the device's memory, and lets it end when it has ended itself, whether it
// succeeds or fails. So the caller's stream goes on whatever happens, and nothing of
// the collective is on any other stream.
type gate struct {
	g      *gpu
	stream cudaffi.Stream // the caller's
	// holds: later work on the stream waits for the collective. It does not where
	// the caller does.
	holds bool
	run   *kernels.Run // once it is on its stream
	// sources are the allocations that the wires may read.
	sources []source
	forget  sync.Once // them: by who ends the call, or by who could not begin it
	probe   probe
	// failure is the first error of the device that the collective met.
	failure atomic.Pointer[DeviceError]
}

// errNoRoom: as many collectives of the communicator as there can be are on streams, or
// none may come to streams at present.
var errNoRoom = errors.New("no agent is free")

// arrive puts the agent on the stream, in the queue's order. After an error, a run
// says that the agent is there all the same, and leave ends it.
func (t *gate) arrive() error {
	return t.g.ctx.Do(func() (err error) {
		if !t.g.runs.Room() || !t.g.store.enter() {
			return errNoRoom
		}
		stream := t.stream
		if !t.holds {
			stream = t.g.own
			if err := t.g.follow(stream, t.stream); err != nil {
				t.g.store.exit()
				return err
			}
		}
		t.run, err = t.g.runs.Start(stream)
		if t.run == nil {
			t.g.store.exit()
			if err == nil {
				err = errNoRoom
			}
		}
		return err
	})
}

// follow makes later work on a stream wait for what is on another now.
func (g *gpu) follow(later, earlier cudaffi.Stream) error {
	if err := g.point.Record(earlier); err != nil {
		return err
	}
	return later.Wait(g.point)
}

// awaitRoom waits, within ctx, until one more collective may be put on a stream.
func (c *Comm) awaitRoom(ctx context.Context, t *gate) error {
	for p := (patience{}); c.member.Broken() == nil && (t.g.store.resting() || !t.g.runs.Room()); p.pause() {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// awaitInputs waits until the stream has come to the collective.
func (t *gate) awaitInputs(stop context.Context) error { return t.until(stop, t.run.Begun) }

// await waits until the agent has done all it has been told up to a ticket. It
// returns the error of stop if that comes first, and that of the device if it will
// never come to that.
func (t *gate) await(stop context.Context, ticket kernels.Ticket) error {
	return t.until(stop, func() bool { return t.run.Done(ticket) })
}

func (t *gate) until(stop context.Context, there func() bool) error {
	for p := (patience{}); ; p.pause() {
		if there() {
			return nil
		}
		if err := stop.Err(); err != nil {
			return err
		}
		if p.long() {
			if err := t.lost(); err != nil && !there() {
				return err
			}
		}
	}
}

var (
	errStuck = errors.New("work on the device does not end")
	errLost  = errors.New("the kernel that works for the collective has ended before its time")
)

// drain waits until the agent has done all it has been told, so that nothing touches
// the tensors or the slots any more. An error that wraps errStuck says that something
// may; any other one, that something failed before.
func (t *gate) drain() error {
	last, deadline := t.run.Last(), time.Now().Add(settleWait)
	for p := (patience{}); !t.run.Done(last); p.pause() {
		if p.long() {
			if err := t.lost(); err != nil && !t.run.Done(last) {
				return err
			}
		}
		if time.Now().After(deadline) {
			return errStuck
		}
	}
	return nil
}

// leave lets the stream go on.
func (t *gate) leave() {
	t.letGo()
	t.run.End()
	t.g.store.exit()
	if t.probe.state.Swap(probeLeft) != probeBusy {
		t.run.Release()
	}
}
