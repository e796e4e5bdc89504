package engine

import (
	"errors"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/kernels"
)

// gpuKit is what a communicator needs of a device and the driver has to allocate: pinned
// memory for its chunks, agents and a stream. To make or free one may wait for all that is
// on the device, and with it for streams that wait for this very communicator, or for one
// whose ranks wait for this one. So kits are kept in store (gpustore.go).
type gpuKit struct {
	chunk  int // bytes of a slot
	pinned *cudaffi.Pinned
	runs   *kernels.Runs

	// own is the stream of collectives whose callers wait themselves, and point marks
	// what they follow. opened says that own has been made. Guarded by the queue's order.
	own    cudaffi.Stream
	opened bool
	point  cudaffi.Event
	marks  bool // point has been made
}

// newKit makes a kit.
func (s *sharedGPU) newKit(chunk int) (*gpuKit, error) {
	k := &gpuKit{chunk: chunk}
	if err := s.ctx.Do(func() error { return k.allocate(s) }); err != nil {
		return nil, errors.Join(err, withoutSticky(s.discard(k)))
	}
	return k, nil
}

// allocate makes what there is to be made, in the device's context.
func (k *gpuKit) allocate(s *sharedGPU) (err error) {
	if k.runs, err = s.agent.NewRuns(mostStarted); err != nil {
		return err
	}
	if k.own, err = s.ctx.NewStream(cudaffi.PriorityHighest); err != nil {
		return err
	}
	k.opened = true
	if k.point, err = s.ctx.NewEvent(); err != nil {
		return err
	}
	k.marks = true
	k.pinned, err = s.ctx.AllocPinned((2*slotCount + 1) * k.chunk)
	return err
}

// discard frees what there is of a kit.
func (s *sharedGPU) discard(k *gpuKit) error {
	var errs []error
	err := inside(s.ctx, func() error {
		errs = k.free()
		return nil
	})
	return withoutSticky(append(errs, err)...)
}

func (k *gpuKit) free() (errs []error) {
	if k.opened {
		errs = append(errs, cudaffi.Ensure(k.own.Destroy))
	}
	if k.marks {
		errs = append(errs, cudaffi.Ensure(k.point.Destroy))
	}
	if k.runs != nil {
		errs = append(errs, k.runs.Free())
	}
	if k.pinned != nil {
		errs = append(errs, cudaffi.Ensure(k.pinned.Free))
	}
	return errs
}
