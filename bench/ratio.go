package main

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/measure"
	"github.com/monel-dev/monel/bench/internal/oracle"
	"github.com/monel-dev/monel/bench/internal/report"
)

// side is one of the two configurations that ratio compares.
type side struct {
	about  report.Context
	runner *measure.Runner
	lines  []measure.Line
	wrong  int64 // values of the size measured last, or report.Unchecked
}

func newSide(cfg *cli.Config, c cli.Case, w *world) *side {
	comm := w.of(c)
	return &side{
		about:  report.Context{Collective: string(c.Collective), Transport: comm.Transport(), Layout: string(c.Layout), Device: string(c.Device), Ranks: comm.Size()},
		runner: newRunner(cfg, comm, nil),
		lines:  measure.Lines(c, cfg.Sweep, comm.Size()),
	}
}

// runRatio measures two configurations, interleaved, at all sizes. Its verdict
// is an error if values were wrong on any rank, or a ratio is above the limit.
func runRatio(ctx context.Context, cfg *cli.Config, w *world, out *output) (verdict, err error) {
	a, b := newSide(cfg, cfg.Case, w), newSide(cfg, cfg.Base, w)
	if len(a.lines) != len(b.lines) {
		return nil, fmt.Errorf("the configurations have %d and %d sizes: give types of the same size", len(a.lines), len(b.lines))
	}
	if err := allocate(cfg, a, b, w); err != nil {
		return nil, err
	}
	table := report.RatioTable{Out: out.table}
	if err := table.Head(program(), describe(cfg.Case), describe(cfg.Base), w.first().Size(), cfg.Rounds, cfg.Iters, cfg.Warmup); err != nil {
		return nil, err
	}
	progress := out.progress(len(a.lines) * cfg.Rounds)
	defer progress.Close()
	var wrong int64
	var slowest report.Spread
	for i := range a.lines {
		r, err := compare(ctx, cfg, a, b, i, progress)
		if err != nil {
			return nil, err
		}
		if err := table.Add(r); err != nil {
			return nil, err
		}
		if err := addRecords(out.json, a, b, i, r); err != nil {
			return nil, fmt.Errorf("--json: %w", err)
		}
		wrong += max(r.Wrong, 0)
		if s := r.Spread(); s.Median > slowest.Median {
			slowest = s
		}
	}
	verdict = verdictOn(wrong)
	if cfg.MaxRatio > 0 && slowest.Median > cfg.MaxRatio {
		verdict = errors.Join(verdict, fmt.Errorf("ratio %.3f is above --max_ratio %g", slowest.Median, cfg.MaxRatio))
	}
	return verdict, nil
}

// allocate gives both sides buffers, the same ones if their tensors are on the
// same device.
func allocate(cfg *cli.Config, a, b *side, w *world) error {
	calls := [2][]measure.Call{}
	for i := range a.lines {
		calls[0], calls[1] = append(calls[0], a.call(i)), append(calls[1], b.call(i))
	}
	if cfg.Case.Device == cfg.Base.Device {
		calls[0] = append(calls[0], calls[1]...)
	}
	for i, c := range []cli.Case{cfg.Case, cfg.Base} {
		side := [2]*side{a, b}[i]
		if i == 1 && c.Device == cfg.Case.Device {
			side.runner.Buffers = a.runner.Buffers
			continue
		}
		gpu, err := w.gpu(c)
		if err != nil {
			return err
		}
		if side.runner.Buffers, err = measure.Allocate(w.first().Rank(), w.first().Size(), calls[i], gpu); err != nil {
			return err
		}
	}
	return nil
}

// call is the side's i-th call; a line of ratio has one.
func (s *side) call(i int) measure.Call { return s.lines[i].Calls()[0] }

// compare measures both sides at their i-th size: first whether they are right,
// then their times, in turn. Who goes first changes from round to round.
func compare(ctx context.Context, cfg *cli.Config, a, b *side, i int, progress *report.Progress) (report.Ratio, error) {
	r := report.Ratio{Bytes: a.call(i).Bytes(), Count: a.call(i).Count, Wrong: report.Unchecked}
	for _, s := range []*side{a, b} {
		var err error
		if s.wrong, err = s.runner.Verify(ctx, s.call(i), cfg.Check); err != nil {
			return r, err
		}
	}
	if cfg.Check > 0 {
		r.Wrong = a.wrong + b.wrong
	}
	for round := range cfg.Rounds {
		progress.Begin(fmt.Sprintf("%d B", r.Bytes))
		for s := range turns(a, b, round) {
			seconds, err := s.runner.Time(ctx, s.call(i), cfg.Warmup, cfg.Iters)
			if err != nil {
				return r, err
			}
			if s == a {
				r.Times = append(r.Times, seconds)
			} else {
				r.Base = append(r.Base, seconds)
			}
		}
		progress.Step()
	}
	return r, nil
}

func turns(a, b *side, round int) iter.Seq[*side] {
	if round%2 == 1 {
		a, b = b, a
	}
	return func(yield func(*side) bool) { _ = yield(a) && yield(b) }
}

// addRecords writes both sides' median times.
func addRecords(out *report.JSON, a, b *side, i int, r report.Ratio) error {
	for _, x := range []struct {
		side  *side
		times []float64
	}{{a, r.Times}, {b, r.Base}} {
		c := x.side.call(i)
		result := report.NewResult(c.Moved(x.side.about.Ranks), report.SpreadOf(x.times).Median, c.BusFactor(x.side.about.Ranks), x.side.wrong)
		row := report.Row{Bytes: c.Bytes(), Count: c.PerRank(x.side.about.Ranks), DType: c.DType.String(), Op: c.OpName(), Root: c.RootOrNone()}
		if c.InPlace {
			row.InPlace = result
		} else {
			row.OutOfPlace = result
		}
		if err := out.Add(x.side.about, row); err != nil {
			return err
		}
	}
	return nil
}

// describe is a case as flags.
func describe(c cli.Case) string {
	s := fmt.Sprintf("%s --layout %s --mode %s -d %v", c.Collective, c.Layout, c.Mode, c.DTypes[0])
	if c.Collective.Rooted() {
		s += fmt.Sprintf(" -r %d", c.Root)
	}
	if c.Collective.Reduces() {
		s += " -o " + oracle.OpName(c.Ops[0])
	}
	if c.Device == cli.CUDA {
		s += fmt.Sprintf(" --device %s", c.Device)
	}
	s += fmt.Sprintf(" --transport %s", c.Transport)
	if c.Algorithm != cli.BySize {
		s += fmt.Sprintf(" --algorithm %s", c.Algorithm)
	}
	if c.Connections > 0 {
		s += fmt.Sprintf(" --connections %d", c.Connections)
	}
	if c.Protection != cli.Unprotected {
		s += fmt.Sprintf(" --protect %s", c.Protection)
	}
	if c.LogicalOrder {
		s += " --logical_order"
	}
	return s
}
