package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/monel-dev/monel/bench/internal/chart"
	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/report"
)

// keep writes a contest to the files that the command line names.
func keep(cfg *cli.Config, about report.Context, machine report.Machine, contenders []report.Contender, matches []report.Match) error {
	title := fmt.Sprintf("%s, %d ranks, %s, %s, %v", about.Collective, about.Ranks, about.Transport, about.Layout, cfg.Case.DTypes[0])
	if file := cfg.Contest.Plot; file != "" {
		if err := chart.Write(file, title, contenders, matches); err != nil {
			return fmt.Errorf("--plot: %w", err)
		}
	}
	if file := cfg.Contest.Results; file != "" {
		section := report.Section{
			Title: title, Machine: machine, Command: commandLine(os.Args[1:]), Rounds: cfg.Rounds, Contenders: contenders, Matches: matches,
		}
		if err := appendResults(file, section); err != nil {
			return fmt.Errorf("--results: %w", err)
		}
	}
	return nil
}

// appendResults adds a section to a file, and its head if the file is new.
func appendResults(file string, section report.Section) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		_, err = f.WriteString(report.ResultsHead)
	}
	if err == nil {
		err = section.Write(f)
	}
	return errors.Join(err, f.Close())
}

// commandLine is how the measurement can be repeated: the arguments without the
// files that it wrote.
func commandLine(args []string) string {
	words := []string{"bench"}
	for i := 0; i < len(args); i++ {
		name, _, hasValue := strings.Cut(args[i], "=")
		switch name {
		case "--json", "--plot", "--results":
			if !hasValue {
				i++
			}
		default:
			words = append(words, args[i])
		}
	}
	return strings.Join(words, " ")
}

// machine describes this one. What it cannot find out it calls unknown.
func machine() report.Machine {
	m := report.Machine{
		CPU: runtime.GOARCH, Cores: runtime.NumCPU(), Kernel: runtime.GOOS, Load: "unknown", Date: time.Now().UTC().Format(time.DateOnly),
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel += " " + strings.TrimSpace(string(release))
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				m.CPU = strings.TrimSpace(model)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	return m
}
