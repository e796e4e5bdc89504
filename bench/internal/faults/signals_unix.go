//go:build unix

package faults

import (
	"syscall"
	"time"
)

// stop stops the process, and returns when it was about to.
func (p *process) stop() time.Time {
	at := time.Now()
	_ = p.cmd.Process.Signal(syscall.SIGSTOP)
	return at
}

// resume lets a stopped process go on.
func (p *process) resume() { _ = p.cmd.Process.Signal(syscall.SIGCONT) }
