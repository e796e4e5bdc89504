package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/faults"
	"github.com/monel-dev/monel/bench/internal/strangers"
)

// errNotAsPromised is returned when ranks were lost and the others did not do what they
// were expected to.
var errNotAsPromised = errors.New("not as promised")

// runFaults carries out the campaigns of a command line, one after the other, and
// prints a line about each as it ends.
func runFaults(cfg *cli.FaultsConfig, out io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program to start agents of: %w", err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		faults.Abandon()
		os.Exit(statusWrong)
	}()
	fmt.Fprintf(out, "# %s, seed %d\n", faults.Machine(), cfg.Seed)
	report := faults.NewReport(out)
	for _, name := range cfg.Campaigns {
		if name == "strangers" {
			if err := admitStrangers(cfg, program, report); err != nil {
				return err
			}
			continue
		}
		for _, c := range campaigns(cfg, name) {
			c.Spawn = faults.Spawn{Path: program, Args: []string{faults.Word}}
			c.Log = os.Stderr
			if err := report.Run(name, c); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if cfg.Write != "" {
		if err := report.WriteInto(cfg.Write); err != nil {
			return fmt.Errorf("--write: %w", err)
		}
	}
	if n := report.Failures(); n > 0 {
		return fmt.Errorf("%w: %d trials; seed %d", errNotAsPromised, n, cfg.Seed)
	}
	return nil
}

// The strangers of a campaign, and how many come in a second.
const (
	usualStrangers = 10_000
	strangersRate  = 200
)

// admitStrangers carries out that campaign.
func admitStrangers(cfg *cli.FaultsConfig, program string, report *faults.Report) error {
	s := strangers.Config{Program: program, Ranks: 2, Connections: usualStrangers, Rate: strangersRate, Seed: cfg.Seed}
	if cfg.RanksGiven {
		s.Ranks = cfg.Ranks
	}
	if cfg.Trials > 0 {
		s.Connections = cfg.Trials
	}
	found, err := s.Run()
	if found == nil {
		return fmt.Errorf("strangers: %w", err)
	}
	report.Note("Strangers", found.Text(), err)
	return nil
}

// campaigns are those of one name: on each wire, where the wire matters.
func campaigns(cfg *cli.FaultsConfig, name string) []*faults.Config {
	base := faults.Config{Ranks: cfg.Ranks, Trials: cfg.Trials, Seed: cfg.Seed, Timeout: cfg.Timeout, Time: cfg.Time}
	if name == "mismatch" || strings.HasPrefix(name, "cut") || name == "link-down" {
		base.Transport = string(cli.TCP)
		return []*faults.Config{&base}
	}
	var all []*faults.Config
	for _, wire := range cfg.Transports {
		c := base
		c.Transport = string(wire)
		all = append(all, &c)
	}
	return all
}
