package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"
)

// Job is a program to run as several ranks.
type Job struct {
	Ranks  int
	Path   string                  // the program
	Args   []string                // its arguments, the same for every rank
	Env    func(rank int) []string // a rank's environment, as os.Environ
	Stdout io.Writer               // of every rank
	Stderr io.Writer               // of every rank
	Grace  time.Duration           // how long the others may take to end by themselves once one has failed
	Kill   time.Duration           // and how long after they were asked to
}

// RankError is the failure of a rank's process: the first one of its job.
type RankError struct {
	Rank int
	Pid  int
	Err  error // an *exec.ExitError, or why the process could not be started
}

func (e *RankError) Error() string {
	return fmt.Sprintf("rank %d (pid %d) failed: %v", e.Rank, e.Pid, e.Err)
}

func (e *RankError) Unwrap() error { return e.Err }

// child is a rank's process.
type child struct {
	rank  int
	cmd   *exec.Cmd
	stdin io.Closer // the pipe whose end tells the process that its parent is gone
}

// exit is how a child ended.
type exit struct {
	rank int
	err  error
}

// Run starts the ranks and waits until all have ended. It returns nil if every
// one of them exited with status 0, else the first failure as a *RankError. A
// signal from signals is passed on to the ranks; the end of ctx asks them to
// terminate. In either case, and after a failure, what does not end by itself
// is killed.
//
// Ranks that lose another fail too, and may do so before the loss of the other
// itself is noticed here. So a rank that died of a signal counts as the cause
// before one that exited by itself.
func (j *Job) Run(ctx context.Context, signals <-chan os.Signal) error {
	// The parent-death signal comes when the thread that started a process ends,
	// so that thread must live as long as this call.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	running := make(map[int]*child, j.Ranks)
	exits := make(chan exit, j.Ranks)
	var first error
	for rank := range j.Ranks {
		c, err := j.start(rank)
		if err != nil {
			first = &RankError{Rank: rank, Err: err}
			break
		}
		running[rank] = c
		go func() { exits <- exit{rank, c.cmd.Wait()} }()
	}

	stop := stopper{running: running}
	defer stop.disarm()
	if first != nil {
		stop.arm(0, j.Kill)
	}
	done := ctx.Done()
	for len(running) > 0 {
		select {
		case e := <-exits:
			c := running[e.rank]
			delete(running, e.rank)
			c.stdin.Close()
			if e.err == nil {
				continue
			}
			if first == nil || !stop.asked && died(e.err) && !died(first) {
				first = &RankError{Rank: e.rank, Pid: c.cmd.Process.Pid, Err: e.err}
			}
			stop.arm(j.Grace, j.Kill)
		case sig := <-signals:
			stop.signal(sig)
			stop.arm(j.Kill, j.Kill)
		case <-done:
			done = nil
			first = cmp.Or(first, context.Cause(ctx))
			stop.arm(0, j.Kill)
		case <-stop.due:
			stop.next()
		}
	}
	return first
}

// died reports whether err is about a process that did not exit by itself.
func died(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() < 0
}

func (j *Job) start(rank int) (*child, error) {
	cmd := exec.Command(j.Path, j.Args...)
	cmd.Env = slices.Concat(j.Env(rank), []string{watchVariable + "=1"})
	cmd.Stdout, cmd.Stderr = j.Stdout, j.Stderr
	cmd.SysProcAttr = attributes()
	// A rank that was killed may have left children that hold its output open.
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, stdin.Close())
	}
	return &child{rank, cmd, stdin}, nil
}
