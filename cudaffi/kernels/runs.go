package kernels

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/monel-dev/monel/cudaffi"
)

// Runs are the Runs that can be on their way at a time, made in advance: to make
// one while streams are busy might wait for them.
type Runs struct {
	agent  *Agent
	pinned *cudaffi.Pinned
	memory cudaffi.DevicePtr
	all    []*Run

	mu      sync.Mutex
	free    []*Run
	leaving []*Run // told to end

	last *Run // the last one that was started; Start's
}

// NewRuns makes n Runs.
func (a *Agent) NewRuns(n int) (_ *Runs, err error) {
	r := &Runs{agent: a}
	defer func() {
		if err != nil {
			err = fmt.Errorf("kernels: %w", errors.Join(err, r.Free()))
		}
	}()
	if r.pinned, err = a.ctx.AllocPinned(n * runBytes); err != nil {
		return nil, err
	}
	if r.memory, err = a.ctx.Alloc(int64(n * deviceBytes)); err != nil {
		return nil, err
	}
	zero := make([]byte, n*deviceBytes)
	if err := a.ctx.CopyFromHost(r.memory, zero); err != nil {
		return nil, err
	}
	if err := a.ctx.StreamOf(cudaffi.StreamLegacy).Sync(); err != nil { // it may still be on its way
		return nil, err
	}
	clear(r.pinned.Bytes())
	for i := range n {
		run := newRun(r.pinned.Bytes()[i*runBytes:(i+1)*runBytes], uint64(r.pinned.Device())+uint64(i*runBytes), uint64(r.memory)+uint64(i*deviceBytes))
		run.runs = r
		r.all = append(r.all, run)
	}
	r.free = append(r.free, r.all...)
	return r, nil
}

// DeviceBytes is how much of the device's memory they take.
func (r *Runs) DeviceBytes() int64 { return int64(len(r.all) * deviceBytes) }

// Free frees them. All must have ended.
func (r *Runs) Free() error {
	r.mu.Lock()
	r.free, r.leaving = nil, nil // nobody looks at their memory any more
	r.mu.Unlock()
	var errs []error
	for _, run := range r.all {
		if run.marks {
			errs = append(errs, cudaffi.Ensure(run.ended.Destroy))
		}
	}
	if r.memory != 0 {
		errs = append(errs, cudaffi.Ensure(func() error { return r.agent.ctx.Free(r.memory) }))
	}
	if r.pinned != nil {
		errs = append(errs, cudaffi.Ensure(r.pinned.Free))
	}
	return errors.Join(errs...)
}

// Start puts a Run on a stream. It returns nil if all Runs are on their way. If it
// returns a Run beside an error, that is on the stream and has been told to end. It
// is called by one goroutine at a time, and waits while the stream is full.
//
// Runs begin in the order in which they were started, whatever streams they are on,
// so that those which begin later do not take the multiprocessors that an earlier
// one waits for.
func (r *Runs) Start(stream cudaffi.Stream) (*Run, error) {
	run := r.take()
	if run == nil {
		return nil, nil
	}
	on, err := run.start(stream)
	if err != nil {
		err = fmt.Errorf("kernels: %w", err)
	}
	if !on {
		r.mu.Lock()
		r.free = append(r.free, run)
		r.mu.Unlock()
		return nil, err
	}
	r.last = run
	if err != nil {
		run.End()
	}
	return run, err
}

// take is a free Run, or nil.
func (r *Runs) take() *Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reclaim()
	n := len(r.free) - 1
	if n < 0 {
		return nil
	}
	run := r.free[n]
	r.free = r.free[:n]
	return run
}

// Room reports whether Start would find a Run.
func (r *Runs) Room() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reclaim()
	return len(r.free) > 0
}

// Idle reports whether no Run is on its way. After an error, some never end.
func (r *Runs) Idle() (bool, error) {
	r.mu.Lock()
	r.reclaim()
	leaving, free := slices.Clone(r.leaving), len(r.free)
	r.mu.Unlock()
	var errs []error
	for _, run := range leaving {
		ended, err := run.Ended()
		if err != nil {
			errs = append(errs, err)
		} else if !ended {
			return false, nil
		}
	}
	return free+len(leaving) == len(r.all), errors.Join(errs...)
}

// reclaim finds Runs that have ended meanwhile. The driver is not asked: that might
// wait in it.
func (r *Runs) reclaim() {
	r.leaving = slices.DeleteFunc(r.leaving, func(run *Run) bool {
		if !run.left() {
			return false
		}
		r.free = append(r.free, run)
		return true
	})
}
