package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/launch"
	"github.com/monel-dev/monel/bench/internal/limit"
	"github.com/monel-dev/monel/bench/internal/measure"
	"github.com/monel-dev/monel/bench/internal/peers"
	"github.com/monel-dev/monel/bench/internal/report"
)

//go:embed peers/mpi.c peers/gloo.cc peers/torch_peer.py
var sources embed.FS

// answerTimeout is how long another contender may take for an answer, unless
// --timeout says so.
const answerTimeout = 2 * time.Minute

// contest is one rank's part in measuring ours and others in turns. The others
// are driven by rank 0 alone.
type contest struct {
	cfg    *cli.Config
	runner *measure.Runner
	baton  *baton
	others []*peers.Contender
}

// runContest measures ours and other contenders, interleaved, at all sizes. Its
// verdict is an error if any of them computed wrong values.
func runContest(ctx context.Context, cfg *cli.Config, w *world, out *output) (verdict, err error) {
	if !launch.Launched() {
		return nil, errors.New("--peers, --limit, --plot and --results measure on one machine: leave the launcher out and give -np N")
	}
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
	c := &contest{cfg: cfg, runner: newRunner(cfg, comm, buffers)}
	if c.baton, err = newBaton(ctx, comm); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if comm.Rank() == 0 {
		if err := c.start(ctx, comm.Transport()); err != nil {
			return nil, err
		}
	}
	bind(cfg, comm.Rank(), comm.Size())
	about := report.Context{
		Collective: string(cfg.Case.Collective), Transport: comm.Transport(), Layout: string(cfg.Case.Layout),
		Device: string(cfg.Case.Device), Ranks: comm.Size(),
	}
	table := report.ContestTable{Out: out.table, Contenders: c.contenders(comm.Transport())}
	if err := table.Head(program(), describe(cfg.Case), comm.Size(), cfg.Rounds, cfg.Iters, cfg.ItersOf(0), cfg.Warmup, cfg.Contest.Settle); err != nil {
		return nil, err
	}
	progress := out.progress(len(calls) * cfg.Rounds)
	defer progress.Close()
	var wrong int64
	var matches []report.Match
	before := machine()
	for _, call := range calls {
		m, err := c.match(ctx, call, progress)
		if err != nil {
			return nil, err
		}
		if err := table.Add(m); err != nil {
			return nil, err
		}
		if err := out.json.AddMatch(about, table.Contenders, m); err != nil {
			return nil, fmt.Errorf("--json: %w", err)
		}
		wrong += m.WrongValues()
		matches = append(matches, m)
	}
	if comm.Rank() == 0 {
		if err := keep(cfg, about, before, table.Contenders, matches); err != nil {
			return nil, err
		}
	}
	return verdictOn(wrong), table.Close()
}

// start starts the others on the medium that ours uses.
func (c *contest) start(ctx context.Context, transport string) error {
	medium := cli.Transport(transport)
	if len(c.cfg.Contest.Peers) > 0 && medium != cli.TCP && medium != cli.SHM {
		return fmt.Errorf("--peers: the ranks use %s, which the peers do not have", transport)
	}
	timeout := c.cfg.Timeout
	if timeout == 0 {
		timeout = answerTimeout
	}
	folder, err := fs.Sub(sources, "peers")
	if err != nil {
		return err
	}
	builder := peers.Builder{Sources: folder}
	var programs []peers.Program
	for _, name := range c.cfg.Contest.Peers {
		p, err := builder.Prepare(ctx, name, medium)
		if err != nil {
			return err
		}
		programs = append(programs, p)
	}
	if c.cfg.Contest.Limit {
		p, err := peers.Self(report.Limit, limit.Word, transport)
		if err != nil {
			return err
		}
		programs = append(programs, p)
	}
	for _, p := range programs {
		other, err := p.Start(ctx, c.runner.Comm.Size(), timeout)
		if err != nil {
			return err
		}
		c.others = append(c.others, other)
	}
	return nil
}

// contenders are ours and the others.
func (c *contest) contenders(transport string) []report.Contender {
	all := []report.Contender{{Name: report.Ours, Version: program()}}
	for _, o := range c.others {
		other := report.Contender{Name: o.Name(), Version: o.Version()}
		if cli.Peer(o.Name()).TCPOnly() && transport != string(cli.TCP) {
			other.Version += ", over TCP, all it has, while ours use " + transport
			other.Transport = string(cli.TCP)
		}
		all = append(all, other)
	}
	return all
}

// match measures all contenders at one call: first whether they are right, then
// their times, in turns. Who goes first changes from round to round. The round
// before the first only tells how many calls it takes each of them to settle.
func (c *contest) match(ctx context.Context, call measure.Call, progress *report.Progress) (report.Match, error) {
	all := 1 + len(c.others)
	job := peers.Job{Call: call, Warmup: c.cfg.Warmup, Iters: c.cfg.ItersOf(call.Bytes())}
	m := report.Match{
		Bytes: call.Bytes(), Count: call.PerRank(c.runner.Comm.Size()), DType: call.DType.String(), Op: call.OpName(), InPlace: call.InPlace,
		Factor: call.BusFactor(c.runner.Comm.Size()), Times: make([][]float64, all), Wrong: make([]int64, all),
	}
	for i := range all {
		m.Wrong[i] = report.Unchecked
		if c.cfg.Check == 0 {
			continue
		}
		var err error
		if i == 0 {
			m.Wrong[i], err = c.verifyOurs(ctx, call)
		} else {
			m.Wrong[i], err = c.others[i-1].Verify(job)
		}
		if err != nil {
			return m, err
		}
	}
	seconds := make([]float64, all) // what a call took each contender last
	first := 0
	if c.cfg.Contest.Settle > 0 {
		first = -1
	}
	for round := first; round < c.cfg.Rounds; round++ {
		progress.Begin(fmt.Sprintf("%d B", m.Bytes))
		for turn := range all {
			i := (turn + round + all) % all
			job.Warmup = c.cfg.WarmupFor(seconds[i])
			var err error
			if i == 0 {
				seconds[i], err = c.timeOurs(ctx, call, job.Warmup)
			} else {
				seconds[i], err = c.others[i-1].Time(job)
			}
			if err != nil {
				return m, err
			}
			if round >= 0 {
				m.Times[i] = append(m.Times[i], seconds[i])
			}
		}
		if round >= 0 {
			progress.Step()
		}
	}
	return m, nil
}

func (c *contest) verifyOurs(ctx context.Context, call measure.Call) (int64, error) {
	if _, err := c.baton.ours(0); err != nil {
		return 0, err
	}
	return c.runner.Verify(ctx, call, c.cfg.Check)
}

func (c *contest) timeOurs(ctx context.Context, call measure.Call, warmup int) (float64, error) {
	warmup, err := c.baton.ours(warmup)
	if err != nil {
		return 0, err
	}
	return c.runner.Time(ctx, call, warmup, c.cfg.ItersOf(call.Bytes()))
}

func (c *contest) close() error {
	var err error
	for _, o := range c.others {
		err = errors.Join(err, o.Close())
	}
	return errors.Join(err, c.baton.close())
}
