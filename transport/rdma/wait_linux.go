//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"context"

	"golang.org/x/sys/unix"
)

// await returns when look says so, or why it never will, or at the end of ctx.
func (e *end) await(ctx context.Context) error {
	var w waiting
	for {
		for range glances {
			if e.glance == nil {
				break
			}
			if e.glance() {
				w.success()
				return nil
			}
		}
		if there, err := e.look(); there {
			w.success()
			return nil
		} else if err != nil && e.broken == nil {
			e.broken = err
		}
		if err := e.gone(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if w.again(&e.spin) {
			continue
		}
		if e.drowse != nil {
			drowsed, err := e.drowse(ctx)
			if err != nil {
				return err
			}
			if drowsed {
				e.nap = firstNap
			}
		}
		if err := e.sleep(ctx, e.nap); err != nil {
			return err
		}
		e.nap = min(2*e.nap, napTime)
	}
}

// glances is how often cells are looked at before the queue is: that is a call of the
// library, and costs about as much as so many glances.
const glances = 32

// How long one sleep may last, in milliseconds. Normally nothing depends on that. But
// see receiver.unwatch: what it says may be found by the sleeps of a later wait, if this
// one is cancelled.
const (
	firstNap = 1
	napTime  = 500
)

// sleep waits in the kernel for a completion, for ring, or for the end of ctx.
func (e *end) sleep(ctx context.Context, nap int) error {
	for _, q := range e.queues {
		if err := q.Arm(); err != nil {
			return e.fault(err)
		}
	}
	// What came before the queue was armed brings no event.
	if there, err := e.look(); there || err != nil {
		return nil // await sees it again
	}
	defer context.AfterFunc(ctx, e.ring)()
	fds := e.sleepers[:0]
	for _, q := range e.queues {
		fds = append(fds, unix.PollFd{Fd: int32(q.FD()), Events: unix.POLLIN})
	}
	fds = append(fds, unix.PollFd{Fd: int32(e.alarm), Events: unix.POLLIN})
	e.sleepers = fds
	if n, err := unix.Poll(fds, nap); n <= 0 || err != nil {
		return nil // time, or a signal
	}
	for i, q := range e.queues {
		if fds[i].Revents != 0 {
			q.Clear()
		}
	}
	if fds[len(fds)-1].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(e.alarm, count[:]) // it never blocks
	}
	return nil
}
