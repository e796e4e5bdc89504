package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/launch"
	"github.com/monel-dev/monel/engine"
)

// How long ranks may take to end once one of them has failed: those that are
// in a collective with it learn of it at once and say what they met. Then they
// are asked to end, and then they are killed.
const (
	grace = 5 * time.Second
	kill  = 2 * time.Second
)

// start runs the command line as cfg.NP processes on this machine.
func start(cfg *cli.Config, args []string) int {
	program, err := os.Executable()
	if err != nil {
		return fail(fmt.Errorf("finding the program to start ranks of: %w", err))
	}
	id, err := engine.NewLocalUniqueID()
	if err != nil {
		return fail(err)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	job := launch.Job{
		Ranks: cfg.NP, Path: program, Args: args, Stdout: os.Stdout, Stderr: os.Stderr, Grace: grace, Kill: kill,
		Env: func(rank int) []string { return append(os.Environ(), placement(rank, cfg.NP, id)...) },
	}
	if err := job.Run(context.Background(), signals); err != nil {
		return fail(err)
	}
	return statusOK
}

// placement tells a process which rank of which communicator it is, in the
// variables that engine.FromEnv reads.
func placement(rank, size int, id engine.UniqueID) []string {
	return []string{
		fmt.Sprintf("MONEL_RANK=%d", rank),
		fmt.Sprintf("MONEL_SIZE=%d", size),
		fmt.Sprintf("MONEL_LOCAL_RANK=%d", rank),
		fmt.Sprintf("MONEL_LOCAL_SIZE=%d", size),
		"MONEL_ID=" + id.Text(),
	}
}
