package engine

import (
	"fmt"
	"io"
	"os"

	"github.com/monel-dev/monel/engine/internal/agree"
	"github.com/monel-dev/monel/engine/internal/hoptrace"
	"github.com/monel-dev/monel/engine/internal/record"
	"github.com/monel-dev/monel/transport"
)

// watch attaches what records a communicator's operations, and its hops if they are
// wanted.
func (c *Comm) watch() {
	var observe func(op *record.Operation)
	if c.cfg.TraceHops > 0 {
		observe = func(op *record.Operation) {
			kind := hoptrace.Operation
			switch op.Call.Kind {
			case agree.Send, agree.Recv, agree.Messages:
				kind = hoptrace.Messages
			}
			c.tracer.Add(hoptrace.Event{
				Kind: kind, Name: op.Call.String(), Bytes: op.Call.Bytes(),
				Label: hoptrace.Label{Seq: op.Seq, Attempt: op.Attempt},
				Began: op.Began, Had: op.Began, Ended: op.Began + op.Lasted,
			})
		}
	}
	c.recorder = record.New(max(c.cfg.History, 0), observe)
	c.recorder.Attach(c.member)
	if observe != nil {
		c.tracer = hoptrace.New(c.cfg.TraceHops, c.recorder.Born())
	}
}

// traced is the mesh with a tracer on its links, if one is wanted.
func (c *Comm) traced(mesh transport.Mesh) transport.Mesh {
	if c.tracer == nil {
		return mesh
	}
	return hoptrace.Wrap(mesh, c.tracer, func(h *transport.Header) hoptrace.Label {
		ch := decodeChunkHeader(h)
		return hoptrace.Label{Seq: ch.seq, Attempt: ch.attempt, Index: ch.index}
	})
}

// WriteTrace writes the latest hops of communicators, at most Config.TraceHops of
// each, as a timeline in Chrome's trace event format, for chrome://tracing and
// ui.perfetto.dev: a process for each communicator's rank, with a track for its
// operations, one for messages and up to four for each peer, for what it sends and
// receives of either, and arrows between the two ends of hops. Communicators without Config.TraceHops add nothing.
//
// It may be called from any goroutine.
func WriteTrace(w io.Writer, comms ...*Comm) error {
	host, _ := os.Hostname()
	var ranks []hoptrace.Rank
	for _, c := range comms {
		if c.tracer == nil {
			continue
		}
		ranks = append(ranks, hoptrace.Rank{
			Communicator: c.cfg.Name, Rank: c.rank, Process: fmt.Sprintf("%s:%d", host, os.Getpid()),
			Start: c.tracer.Start(), Events: c.tracer.Events(),
		})
	}
	if err := hoptrace.Write(w, ranks...); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}

// MergeTraces puts traces of several processes together into one timeline. The clocks
// of their hosts are taken to agree; where they don't, arrows between hosts are as
// wrong as the clocks.
func MergeTraces(w io.Writer, traces ...io.Reader) error {
	if err := hoptrace.Merge(w, traces...); err != nil {
		return fmt.Errorf("merging traces: %w", err)
	}
	return nil
}

// writeTraceFile writes Config.TraceFile.
func (c *Comm) writeTraceFile() error {
	if c.tracer == nil || c.cfg.TraceFile == "" {
		return nil
	}
	return writeFile(c.fileName(c.cfg.TraceFile), func(w io.Writer) error { return WriteTrace(w, c) })
}
