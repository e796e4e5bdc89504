//go:build cgo && linux

package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
)

// launch puts operations of one communicator, of which at least one is on a device, on
// its stream, as one group. Where they name several streams, all begin behind what is on
// any of them, and what is put on any of them later waits for all.
func (c *comm) launch(operations []*operation) error {
	streams, err := streamsOf(operations)
	if err != nil {
		return freeAll(operations, err)
	}
	for _, s := range streams[1:] {
		if err := order(streams[0], s); err != nil {
			return freeAll(operations, err)
		}
	}
	works, err := engine.StartGroup(c.life, func(on func(c *engine.Comm) *engine.Group) error {
		g := on(c.engine)
		g.Use(engine.OnStream(streams[0]))
		for _, o := range operations {
			o.add(g)
		}
		return nil
	})
	for _, s := range streams[1:] {
		err = errors.Join(err, order(s, streams[0]))
	}
	c.watch(works, func() { _ = freeAll(operations, nil) })
	if slices.ContainsFunc(operations, (*operation).needsHost) {
		for _, w := range works {
			<-w.Done()
			err = errors.Join(err, w.Err())
		}
	}
	return err
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
