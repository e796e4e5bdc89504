package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/monel-dev/monel/bench/internal/affinity"
	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/launch"
	"github.com/monel-dev/monel/bench/internal/measure"
	"github.com/monel-dev/monel/bench/internal/report"
	"github.com/monel-dev/monel/engine"
)

// errWrong is returned when everything ran and some values were wrong.
var errWrong = errors.New("wrong values")

// runRank is what one rank does. Only rank 0 writes to stdout. After a failure
// the communicators are left open: the process is about to end, which tells the
// other ranks at once, where closing in good order would wait for them.
func runRank(ctx context.Context, cfg *cli.Config, place engine.Config, stdout, stderr *os.File) (err error) {
	out, err := openOutput(cfg, place.Rank, stdout, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	world, err := join(ctx, cfg, place)
	if err != nil {
		return err
	}
	if !cfg.Contest.Wanted() {
		bind(cfg, place.Rank, place.Size)
	}
	measureAll := runTable
	switch {
	case cfg.Verb == cli.Ratio:
		measureAll = runRatio
	case cfg.Contest.Wanted():
		measureAll = runContest
	}
	verdict, err := measureAll(ctx, cfg, world, out)
	if err != nil {
		return err
	}
	// Nobody leaves while others may still need something from it.
	if err := measure.Barrier(ctx, world.first()); err != nil {
		return err
	}
	if err := world.close(); err != nil {
		return err
	}
	if place.Rank != 0 { // every rank knows the verdict; one says it
		return nil
	}
	return verdict
}

// bind gives a rank that -np has started a core of its own. Processes started
// after that would have to share it.
func bind(cfg *cli.Config, rank, size int) {
	if cfg.Bind && launch.Launched() {
		runtime.LockOSThread()
		affinity.Bind(rank, size)
	}
}

// verdictOn is nil or errWrong, by the number of wrong values.
func verdictOn(wrong int64) error {
	if wrong == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d", errWrong, wrong)
}

// output is where a rank writes its results: rank 0 to files, others nowhere.
type output struct {
	table io.Writer
	json  *report.JSON
	file  *os.File
	tty   *os.File // for progress, nil on other ranks
}

func openOutput(cfg *cli.Config, rank int, stdout, stderr *os.File) (*output, error) {
	if rank != 0 {
		return &output{table: io.Discard, json: report.NewJSON(io.Discard)}, nil
	}
	o := &output{table: stdout, json: report.NewJSON(io.Discard), tty: stderr}
	switch cfg.JSON {
	case "":
	case "-": // keep standard output clean for whoever parses it
		o.table, o.json = stderr, report.NewJSON(stdout)
	default:
		f, err := os.Create(cfg.JSON)
		if err != nil {
			return nil, fmt.Errorf("--json: %w", err)
		}
		o.file, o.json = f, report.NewJSON(f)
	}
	return o, nil
}

func (o *output) progress(steps int) *report.Progress {
	if o.tty == nil {
		return nil
	}
	return report.NewProgress(o.tty, steps)
}

func (o *output) close() error {
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}
