package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/monel-dev/monel/cudaffi"
)

// gate puts a collective in its place among the work of a caller's stream:
//
//	earlier work | ready | wait until the flag holds the ticket | later work
//
// The collective begins on the communicator's own streams when ready has been
// passed, and the flag is written when it has ended: by the communicator's stream
// itself behind the last kernel or, if the collective fails, by the host, once
// nothing touches the tensor any more. So the caller's stream is let go whatever
// happens. The host waits for ready, no stream of ours does: thus a collective
// that fails before its inputs are ready has nothing on the device to wait for.
//
// Tickets are numbered in the order of the queue, and collectives end in that
// order, so one flag serves all.
type gate struct {
	g      *gpu
	stream cudaffi.Stream // the caller's
	// holds: later work on the stream waits for the collective. It does not where
	// the caller does.
	holds  bool
	ready  cudaffi.Event
	ticket uint32 // once the stream waits for it
	// failure is the first error of the device that the collective met.
	failure atomic.Pointer[DeviceError]
}

// arrive puts ready and the wait on the caller's stream, in the queue's order. After an error a ticket other than 0 says that the stream waits all the
// same, and only leave takes the gate down.
func (t *gate) arrive() (err error) {
	if t.ready, err = t.g.event(); err != nil {
		return err
	}
	if err = t.ready.Record(t.stream); err == nil && t.holds {
		err = t.hold()
	}
	if err != nil && t.ticket == 0 {
		t.g.putEvent(t.ready)
	}
	return err
}

// hold makes the caller's stream wait.
func (t *gate) hold() (err error) {
	g := t.g
	g.forgetPassages()
	p := passage{stream: t.stream}
	if p.behind, err = g.event(); err != nil {
		return err
	}
	if err := t.stream.Wait32(g.flagAt, g.tickets+1); err != nil {
		g.putEvent(p.behind)
		return err
	}
	g.tickets++
	t.ticket = g.tickets
	err = p.behind.Record(t.stream)
	p.recorded = err == nil
	g.passages = append(g.passages, p)
	return err
}

// mostHeld is how many collectives of a communicator streams of a device may wait
// for. A stream has room for some thousand commands, and to put one on a full stream
// waits in the driver, perhaps with what the collectives need to go on.
const mostHeld = 128

// awaitRoom waits, within ctx, until one more collective may be waited for.
func (c *Comm) awaitRoom(ctx context.Context, t *gate) error {
	for p := (patience{}); t.holds && c.member.Broken() == nil; p.pause() {
		c.queue.order.Lock()
		held := t.g.tickets - atomic.LoadUint32(t.g.flag)
		c.queue.order.Unlock()
		if held < mostHeld {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// passage is a wait on a caller's stream, which reads the flag until it is over.
type passage struct {
	stream   cudaffi.Stream
	behind   cudaffi.Event // follows the wait
	recorded bool
}

// forgetPassages takes back the events of waits that are over.
func (g *gpu) forgetPassages() {
	for len(g.passages) > 0 && g.passages[0].recorded {
		if done, err := done(g.ctx, g.passages[0].behind); !done || err != nil {
			return
		}
		g.putEvent(g.passages[0].behind)
		g.passages = g.passages[1:]
	}
}

// awaitPassages waits until no stream reads the flag any more.
func (g *gpu) awaitPassages() error {
	deadline := time.Now().Add(settleWait)
	var errs []error
	for _, p := range g.passages {
		var err error
		if !p.recorded {
			err = p.behind.Record(p.stream)
		}
		if err == nil {
			err = awaitEvent(g.ctx, p.behind, deadline)
		}
		errs = append(errs, err)
		g.putEvent(p.behind)
	}
	g.passages = nil
	return errors.Join(errs...)
}

// awaitInputs waits until the caller's stream has come to the collective.
func (t *gate) awaitInputs(stop context.Context) error {
	ready := false
	look := func() (err error) {
		for i := 0; i < 16 && !ready && err == nil; i++ { // to enter the context costs more than to look
			ready, err = t.ready.Query()
		}
		return err
	}
	for p := (patience{}); ; p.pause() {
		if err := t.g.ctx.Do(look); ready || err != nil {
			return err
		}
		if err := stop.Err(); err != nil {
			return err
		}
	}
}

// serve has the flag written once all that is on the lanes is done, and waits for
// that.
func (t *gate) serve(stop context.Context) error {
	g := t.g
	first := &g.lanes[0]
	for i := range g.lanes {
		l := &g.lanes[i]
		if l == first {
			continue
		}
		if err := first.follow(l); err != nil {
			return err
		}
	}
	if t.ticket != 0 && first.values {
		if err := first.stream.Write32(g.flagAt, t.ticket); err != nil {
			return err
		}
	}
	mark, err := first.mark()
	if err != nil {
		return err
	}
	return first.await(stop, mark)
}

// leave lets the caller's stream go if the lanes have not, and takes the gate down.
// Nothing of the collective is on the device any more.
func (t *gate) leave() {
	if t.ticket != 0 && int32(atomic.LoadUint32(t.g.flag)-t.ticket) < 0 {
		atomic.StoreUint32(t.g.flag, t.ticket)
	}
	t.g.putEvent(t.ready)
}
