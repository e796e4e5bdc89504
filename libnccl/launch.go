//go:build cgo && linux

package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
)

// launching is operations of one communicator, of which at least one goes to streams, on
// their way there, as one group. Where they name several streams, all begin behind what is
// on any of them, and what is put on any of them later waits for all.
type launching struct {
	c        *comm
	all      []*operation
	left     []*operation // collectives, in their order
	messages []*operation // which follow with the last of them, as in any group
	streams  []cudaffi.Stream
	ended    func()
	works    []*engine.Work
	err      error
}

// atOnce is how many collectives are put on streams before other communicators have their
// turn: fewer than the engine takes before it waits for some to end, which they may only do
// when others have begun; and as many as it fuses, since ranks whose tensors are on the host
// carry the group out as one.
const atOnce = engine.FusedCalls

// prepare orders the streams of a launch.
func (c *comm) prepare(operations []*operation) (*launching, error) {
	ended, err := c.begin()
	if err != nil {
		return nil, freeAll(operations, err)
	}
	streams, err := streamsOf(operations)
	for i := 1; i < len(streams) && err == nil; i++ {
		err = order(streams[0], streams[i])
	}
	if err != nil {
		ended()
		return nil, freeAll(operations, err)
	}
	l := &launching{c: c, all: operations, streams: streams, ended: ended}
	for _, o := range operations {
		if o.message() {
			l.messages = append(l.messages, o)
		} else {
			l.left = append(l.left, o)
		}
	}
	return l, nil
}

// next puts some operations on the streams, the messages among them all at once with the
// last, and reports whether some are left.
func (l *launching) next() bool {
	if len(l.left)+len(l.messages) == 0 {
		return false
	}
	n := min(atOnce, len(l.left))
	some := l.left[:n:n]
	if l.left = l.left[n:]; len(l.left) == 0 {
		some, l.messages = append(some, l.messages...), nil
	}
	works, err := engine.StartGroup(l.c.life, func(on func(c *engine.Comm) *engine.Group) error {
		g := on(l.c.engine)
		if len(l.streams) > 0 {
			g.Use(engine.OnStream(l.streams[0]))
		}
		for _, o := range some {
			o.add(g)
		}
		return nil
	})
	l.works = append(l.works, works...)
	l.err = errors.Join(l.err, err)
	return len(l.left) > 0
}

// wait ends the launch, which the caller waits for only where memory of the host is
// concerned.
func (l *launching) wait() error {
	err := l.err
	for i := 1; i < len(l.streams); i++ {
		err = errors.Join(err, order(l.streams[i], l.streams[0]))
	}
	l.c.watch(l.works, func() {
		_ = freeAll(l.all, nil)
		l.ended()
	})
	if slices.ContainsFunc(l.all, (*operation).needsHost) {
		for _, w := range l.works {
			<-w.Done()
			err = errors.Join(err, w.Err())
		}
	}
	return err
}

// launch puts one operation on its stream.
func launch(o *operation) error {
	l, err := o.c.prepare([]*operation{o})
	if err != nil {
		return err
	}
	l.next()
	return l.wait()
}

// needsHost reports whether the operation has elements in host memory, for which its
// caller waits.
func (o *operation) needsHost() bool {
	return o.device == onHost && (!o.dst.IsZero() && o.dst.Count() > 0 || !o.src.IsZero() && o.src.Count() > 0)
}

// freeAll ends the use of what operations have borrowed, and returns err.
func freeAll(operations []*operation, err error) error {
	for _, o := range operations {
		o.free()
	}
	return err
}

// streamsOf are the streams that operations on devices name, each once.
func streamsOf(operations []*operation) (streams []cudaffi.Stream, err error) {
	var seen []uintptr
	for _, o := range operations {
		if o.device == onHost || slices.Contains(seen, o.stream) {
			continue
		}
		seen = append(seen, o.stream)
		ctx, err := contextOf(o.device)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", engine.ErrCUDA, err)
		}
		handle := o.stream
		if handle == 0 {
			handle = cudaffi.StreamLegacy
		}
		streams = append(streams, ctx.StreamOf(handle))
	}
	return streams, nil
}

// order makes what is put on a stream from now on wait for what is on another one now.
func order(later, earlier cudaffi.Stream) error {
	e, err := earlier.Context().NewEvent()
	if err == nil {
		err = errors.Join(e.Record(earlier), later.Wait(e), e.Destroy())
	}
	if err != nil {
		return fmt.Errorf("%w: %w", engine.ErrCUDA, err)
	}
	return nil
}
