// Bench measures and verifies collectives between real processes, on tensors of
// any memory layout, and prints nccl-tests' table:
//
//	go run ./bench all_reduce -np 4 -b 8 -e 64M -f 8 --layout transpose
//	mpirun -n 4 bench broadcast -b 8 -e 64M -f 8
//	go run ./bench ratio all_reduce -b 64M -e 64M --layouts transpose,contiguous
//
//	go run ./bench kernels
//	go run ./bench cuda-kernels
//	go run ./bench doctor
//	go run ./bench faults kill,stop --trials 20
//
// See bench --help for the flags.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/faults"
	"github.com/monel-dev/monel/bench/internal/launch"
	"github.com/monel-dev/monel/bench/internal/limit"
	"github.com/monel-dev/monel/bench/internal/strangers"
	"github.com/monel-dev/monel/engine"
)

// The exit statuses.
const (
	statusOK    = 0
	statusWrong = 1 // something failed, or a value was wrong
	statusUsage = 2 // the command line makes no sense
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) > 0 {
		switch rest := args[1:]; args[0] {
		case "kernels":
			return alone(cli.ParseKernels, cli.KernelsUsage, rest, func(cfg *cli.KernelsConfig) error {
				return runKernels(context.Background(), cfg, os.Stdout)
			})
		case "cuda-kernels":
			return alone(cli.ParseCUDAKernels, cli.CUDAKernelsUsage, rest, func(cfg *cli.CUDAKernelsConfig) error {
				return runCUDAKernels(context.Background(), cfg, os.Stdout)
			})
		case "doctor":
			return alone(cli.ParseDoctor, cli.DoctorUsage, rest, func(cfg *cli.DoctorConfig) error {
				return runDoctor(cfg, os.Stdout)
			})
		case "faults":
			return alone(cli.ParseFaults, cli.FaultsUsage, rest, func(cfg *cli.FaultsConfig) error {
				return runFaults(cfg, os.Stdout)
			})
		case faults.Word:
			if err := faults.Agent(os.Stdin, os.Stdout); err != nil {
				return fail(fmt.Errorf("%s: %w", faults.Word, err))
			}
			return statusOK
		case strangers.Word:
			if err := strangers.Agent(os.Stdin, os.Stdout); err != nil {
				return fail(fmt.Errorf("%s: %w", strangers.Word, err))
			}
			return statusOK
		case limit.Word:
			if err := limit.Run(rest); err != nil {
				return fail(fmt.Errorf("%s: %w", limit.Word, err))
			}
			return statusOK
		}
	}
	cfg, err := cli.Parse(args)
	if errors.Is(err, cli.ErrHelp) {
		fmt.Print(cli.Usage())
		return statusOK
	}
	if err != nil {
		return failUsage(err)
	}
	place, err := engine.FromEnv()
	switch {
	case errors.Is(err, engine.ErrNotLaunched):
		if err := checkRanks(cfg, cfg.NP); err != nil {
			return failUsage(err)
		}
		return start(cfg, args)
	case err != nil:
		return fail(err)
	}
	launch.WatchLauncher(func() {
		fmt.Fprintf(os.Stderr, "bench: rank %d: the launcher is gone\n", place.Rank)
		os.Exit(statusWrong)
	})
	if err := checkPlace(cfg, place); err != nil {
		return failUsage(err)
	}
	if err := runRank(context.Background(), cfg, place, os.Stdout, os.Stderr); err != nil {
		return fail(fmt.Errorf("rank %d of %d: %w", place.Rank, place.Size, err))
	}
	return statusOK
}

// alone carries out a verb that needs no ranks.
func alone[C any](parse func(args []string) (C, error), usage func() string, args []string, run func(cfg C) error) int {
	cfg, err := parse(args)
	switch {
	case errors.Is(err, cli.ErrHelp):
		fmt.Print(usage())
		return statusOK
	case err != nil:
		return failUsage(err)
	}
	if err := run(cfg); err != nil {
		return fail(err)
	}
	return statusOK
}

// checkRanks checks what depends on the number of ranks.
func checkRanks(cfg *cli.Config, ranks int) error {
	cases := []cli.Case{cfg.Case}
	if cfg.Verb == cli.Ratio {
		cases = append(cases, cfg.Base)
	}
	for _, c := range cases {
		if c.Collective == cli.Hypercube && ranks&(ranks-1) != 0 {
			return fmt.Errorf("hypercube: %d ranks; it needs 1, 2, 4, 8 and so on", ranks)
		}
		if c.Collective.Rooted() && c.Root >= ranks {
			return fmt.Errorf("--root %d: there are %d ranks, 0 to %d", c.Root, ranks, ranks-1)
		}
	}
	return nil
}

// checkPlace checks the command line of a rank that a launcher has started.
func checkPlace(cfg *cli.Config, place engine.Config) error {
	if cfg.NPGiven && cfg.NP != place.Size {
		return fmt.Errorf("-np %d: this process was launched as rank %d of %d; leave -np out", cfg.NP, place.Rank, place.Size)
	}
	return checkRanks(cfg, place.Size)
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "bench:", err)
	return statusWrong
}

func failUsage(err error) int {
	fmt.Fprintf(os.Stderr, "bench: %v\nRun 'bench --help' for the flags.\n", err)
	return statusUsage
}
