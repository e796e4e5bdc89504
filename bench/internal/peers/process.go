package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/monel-dev/monel/bench/internal/tail"
)

// Program is a contender that can be started.
type Program struct {
	Name string
	// Commands are what to start for size ranks which meet at socket, and may
	// keep files in folder: one command per rank, or a launcher's.
	Commands func(size int, socket, folder string) []Command
}

// Command is a process to start.
type Command struct {
	Args []string // the program first
	Env  []string // added to this process's environment
}

// Contender is a program that runs, and its driver.
type Contender struct {
	*Driver
	folder    string
	cancel    context.CancelFunc
	processes sync.WaitGroup
	mu        sync.Mutex
	failures  []error
}

// How long processes may take to end once they are asked to.
const patience = 2 * time.Second

// Start starts size ranks of the program and waits until all have connected.
// The caller must Close what it returns. An answer that takes longer than
// timeout is an error.
func (p Program) Start(ctx context.Context, size int, timeout time.Duration) (*Contender, error) {
	folder, err := os.MkdirTemp("", "monel-"+p.Name+"-")
	if err != nil {
		return nil, err
	}
	c := &Contender{folder: folder, Driver: &Driver{name: p.Name, timeout: timeout}}
	c.ended = c.firstFailure
	ctx, c.cancel = context.WithCancel(ctx)
	socket := filepath.Join(folder, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	defer listener.Close()
	for _, command := range p.Commands(size, socket, folder) {
		if err := c.run(ctx, command, listener); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if err := c.meet(listener, size); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.Name, err), c.Close())
	}
	return c, nil
}

// run starts a process. One that fails before all have met closes the listener,
// so that nobody waits for it.
func (c *Contender) run(ctx context.Context, command Command, listener *net.UnixListener) error {
	cmd := exec.CommandContext(ctx, command.Args[0], command.Args[1:]...)
	cmd.Env = append(os.Environ(), command.Env...)
	cmd.Cancel = func() error { return end(cmd.Process) }
	cmd.WaitDelay = patience
	var said tail.Writer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	c.processes.Go(func() {
		if err := cmd.Wait(); err != nil {
			c.mu.Lock()
			c.failures = append(c.failures, fmt.Errorf("%w\n%s", err, said.Text()))
			c.mu.Unlock()
			_ = listener.Close()
		}
	})
	return nil
}

// firstFailure is why the first process failed. It waits a little, because the
// end of a connection shows before the end of its process.
func (c *Contender) firstFailure() error {
	for range 20 {
		c.mu.Lock()
		failures := c.failures
		c.mu.Unlock()
		if len(failures) > 0 {
			return failures[0]
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// Close ends the processes and waits for them.
func (c *Contender) Close() error {
	c.hangUp()
	done := make(chan struct{})
	go func() {
		c.processes.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
	}
	c.cancel()
	<-done
	return os.RemoveAll(c.folder)
}
