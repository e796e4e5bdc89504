package main

import (
	"context"
	"fmt"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/measure"
	"github.com/monel-dev/monel/bench/internal/report"
	"github.com/monel-dev/monel/engine"
)

// runTable measures one configuration at all its sizes. Its verdict is an error
// if values were wrong on any rank.
func runTable(ctx context.Context, cfg *cli.Config, w *world, out *output) (verdict, err error) {
	comm := w.of(cfg.Case)
	lines := measure.Lines(cfg.Case, cfg.Sweep, comm.Size())
	var calls []measure.Call
	for _, l := range lines {
		calls = append(calls, l.Calls()...)
	}
	gpu, err := w.gpu(cfg.Case)
	if err != nil {
		return nil, err
	}
	buffers, err := measure.Allocate(comm.Rank(), comm.Size(), calls, gpu)
	if err != nil {
		return nil, err
	}
	if cfg.Register {
		if err := buffers.Register(comm); err != nil {
			return nil, fmt.Errorf("--local_register: %w", err)
		}
	}
	head, err := header(ctx, cfg, comm, gpu)
	if err != nil {
		return nil, err
	}
	table := report.NewTable(out.table, head)
	b := bench{cfg: cfg, runner: newRunner(cfg, comm, buffers), progress: out.progress(len(calls) * max(cfg.Cycles, 1))}
	about := report.Context{
		Collective: string(cfg.Case.Collective), Transport: comm.Transport(), Layout: string(cfg.Case.Layout),
		Device: string(cfg.Case.Device), Ranks: comm.Size(),
	}
	defer b.progress.Close()
	for cycle := 0; cycle < cfg.Cycles || cfg.Cycles == 0; cycle++ {
		for _, l := range lines {
			row, err := b.line(ctx, l)
			if err != nil {
				return nil, err
			}
			table.Add(row)
			if err := out.json.Add(about, row); err != nil {
				return nil, fmt.Errorf("--json: %w", err)
			}
		}
	}
	b.progress.Close()
	return verdictOn(b.wrong), table.Close()
}

// newRunner makes this rank's calls as the command line has them.
func newRunner(cfg *cli.Config, comm *engine.Comm, buffers *measure.Buffers) *measure.Runner {
	across := map[int]measure.Across{0: measure.OfRank0, 1: measure.Average, 2: measure.Least, 3: measure.Greatest}
	return &measure.Runner{Comm: comm, Buffers: buffers, Aggregate: cfg.Aggregate, Across: across[cfg.Average], Blocking: cfg.Blocking}
}

// bench measures lines of the table.
type bench struct {
	cfg      *cli.Config
	runner   *measure.Runner
	progress *report.Progress
	wrong    int64 // so far
}

func (b *bench) line(ctx context.Context, l measure.Line) (report.Row, error) {
	first := l.Calls()[0]
	row := report.Row{
		Bytes: first.Bytes(), Count: first.PerRank(b.runner.Comm.Size()), DType: first.DType.String(), Op: first.OpName(), Root: first.RootOrNone(),
	}
	var err error
	if row.OutOfPlace, err = b.half(ctx, l.OutOfPlace); err != nil {
		return row, err
	}
	row.InPlace, err = b.half(ctx, l.InPlace)
	return row, err
}

// half measures one call, nil if the line has none.
func (b *bench) half(ctx context.Context, c *measure.Call) (*report.Result, error) {
	if c == nil {
		return nil, nil
	}
	b.progress.Begin(fmt.Sprintf("%s %s %d B", c.Collective, c.DType, c.Bytes()))
	seconds, err := b.runner.Time(ctx, *c, b.cfg.Warmup, b.cfg.Iters)
	if err != nil {
		return nil, err
	}
	wrong, err := b.runner.Verify(ctx, *c, b.cfg.Check)
	if err != nil {
		return nil, err
	}
	b.progress.Step()
	b.wrong += max(wrong, 0)
	return report.NewResult(c.Moved(b.runner.Comm.Size()), seconds, c.BusFactor(b.runner.Comm.Size()), wrong), nil
}

func header(ctx context.Context, cfg *cli.Config, comm *engine.Comm, gpu *measure.GPU) (report.Header, error) {
	ranks, err := whereabouts(ctx, comm, gpu)
	h := report.Header{
		Program: program(), Collective: string(cfg.Case.Collective), Transport: comm.Transport(),
		Layout: string(cfg.Case.Layout), Mode: string(cfg.Case.Mode), Ranks: ranks,
		MinBytes: int64(cfg.Sweep.Min), MaxBytes: int64(cfg.Sweep.Max), Step: int64(cfg.Sweep.Step), StepIs: "bytes",
		Warmup: cfg.Warmup, Iters: cfg.Iters, Aggregate: cfg.Aggregate, Check: cfg.Check,
	}
	if cfg.Sweep.Factor > 1 {
		h.Step, h.StepIs = cfg.Sweep.Factor, "factor"
	}
	return h, err
}
