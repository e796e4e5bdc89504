package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// InitAll makes a communicator whose ranks all belong to this process, as
// ncclCommInitAll does: the i-th result is rank i's. Each must be used by a
// goroutine of its own, since a collective returns only when all ranks have called
// it, and each is closed for itself.
//
// cfg.Transport says how the ranks talk: "inproc", "auto" or "" by memory of this
// process, which is NewLocal and needs no network; "tcp" and "shm" by these wires, as
// if each rank were a process. Rank, Size, ID, Root and Secret are ignored. The ranks
// are not tied to devices; Comm.UseDevice does that, and so does the first tensor.
//
// It returns all ranks or an error: an *ArgumentError, or one of Init's.
func InitAll(ctx context.Context, size int, cfg Config) ([]*Comm, error) {
	switch cfg.Transport {
	case "", "auto", "inproc":
		cfg.Transport = ""
		return NewLocal(size, cfg)
	}
	if size < 1 {
		return nil, &ArgumentError{Call: "init", Argument: "size", Err: fmt.Errorf("%d ranks; at least 1 is needed", size)}
	}
	root, err := meetingPoint("127.0.0.1:0", &cfg)
	if err != nil {
		return nil, &RankError{Rank: 0, Doing: "init", Err: err}
	}
	defer root.leave(ctx, nil)
	cfg.ID, cfg.Root, cfg.Secret, cfg.Size, cfg.launched = root.id, "", nil, size, nil
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	comms, errs := make([]*Comm, size), make([]error, size)
	var wg sync.WaitGroup
	for rank := range size {
		wg.Go(func() {
			own := cfg
			own.Rank = rank
			if comms[rank], errs[rank] = Init(ctx, own); errs[rank] != nil {
				cancel() // the others need not wait for it
			}
		})
	}
	wg.Wait()
	if err := firstCause(errs); err != nil {
		for _, c := range comms {
			if c != nil {
				wg.Go(func() { _ = c.Abort() })
			}
		}
		wg.Wait()
		return nil, err
	}
	return comms, nil
}

// firstCause is the error that the others follow from: one that is not about having
// been cancelled, if there is one.
func firstCause(errs []error) (cause error) {
	for _, err := range errs {
		if err != nil && (cause == nil || errors.Is(cause, context.Canceled) || errors.Is(cause, ErrAborted)) {
			cause = err
		}
	}
	return cause
}
