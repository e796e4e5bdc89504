package engine

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/monel-dev/monel/cudaffi"
)

// gpus are the devices that a communicator has met. No lock is held while the driver
// works, which may take for ever: whoever asks about the communicator, or closes it, goes
// on without.
type gpus struct {
	mu sync.Mutex
	by map[int]*metGPU
}

// metGPU is a device that a communicator has met, or is about to.
type metGPU struct {
	made chan struct{} // closed when g and err say what has come of it
	g    *gpu
	err  error
	// left is set when Close has stopped waiting: whoever makes it frees it then.
	// Guarded by gpus.mu.
	left bool
}

// gpu returns what the communicator holds of a device, made on first use; then stock says
// whether there is to be some in store for others.
func (c *Comm) gpu(driver *cudaffi.Driver, ordinal int, stock bool) (*gpu, error) {
	s := &c.gpus
	s.mu.Lock()
	met := s.by[ordinal]
	if met != nil {
		s.mu.Unlock()
		g, err := c.awaitGPU(met)
		if err == nil && stock {
			err = restock(driver, ordinal, c.cfg.ChunkBytes)
		}
		return g, err
	}
	if err := c.member.Broken(); err != nil {
		s.mu.Unlock()
		return nil, err // Close may have gone through the list
	}
	if s.by == nil {
		s.by = map[int]*metGPU{}
	}
	met = &metGPU{made: make(chan struct{})}
	s.by[ordinal] = met
	s.mu.Unlock()

	g, err := newGPU(driver, ordinal, c.cfg.ChunkBytes, stock)
	s.mu.Lock()
	met.g, met.err = g, err
	if err != nil && s.by[ordinal] == met {
		delete(s.by, ordinal) // the next call may try again
	}
	left := met.left
	close(met.made)
	s.mu.Unlock()
	if err == nil && left { // nobody else will
		return nil, errors.Join(c.member.Broken(), g.close())
	}
	return g, err
}

// awaitGPU waits until another goroutine has made what the communicator needs of a
// device, or until it has failed.
func (c *Comm) awaitGPU(met *metGPU) (*gpu, error) {
	select {
	case <-met.made:
		return met.g, met.err
	default:
	}
	select {
	case <-met.made:
		return met.g, met.err
	case <-c.life.Done():
		return nil, c.member.Broken()
	}
}

// DeviceBytes is how much memory of CUDA devices the communicator holds, besides the
// code of kernels and what is pinned in the host's memory.
func (c *Comm) DeviceBytes() int64 {
	c.gpus.mu.Lock()
	defer c.gpus.mu.Unlock()
	sum := int64(0)
	for _, met := range c.gpus.by {
		if met.g != nil {
			sum += met.g.runs.DeviceBytes()
		}
	}
	return sum
}

// device is the lowest ordinal among the devices in use, or -1.
func (c *Comm) device() int {
	c.gpus.mu.Lock()
	defer c.gpus.mu.Unlock()
	lowest := -1
	for ordinal, met := range c.gpus.by {
		if met.g != nil && (lowest < 0 || ordinal < lowest) {
			lowest = ordinal
		}
	}
	return lowest
}

// closeGPUs frees what the communicator holds of devices. It has failed, or been
// closed, and nothing of it is in progress but, perhaps, the making of what it needs of
// a device; that is waited for as long as work on a device is.
func (c *Comm) closeGPUs() error {
	c.endLife() // whoever waits for another to make it
	c.gpus.mu.Lock()
	by := c.gpus.by
	c.gpus.by = nil
	c.gpus.mu.Unlock()
	timer := time.NewTimer(settleWait)
	defer timer.Stop()
	var errs []error
	for ordinal, met := range by {
		if !c.isMade(met, timer.C) {
			errs = append(errs, fmt.Errorf("what was being made of device %d is freed when the driver returns: %w", ordinal, errStuck))
			continue
		}
		if met.g != nil {
			errs = append(errs, met.g.close())
		}
	}
	return errors.Join(errs...)
}

// isMade reports whether a device is made, or given up, by a moment. If it is not, its
// maker will free it.
func (c *Comm) isMade(met *metGPU, over <-chan time.Time) bool {
	select {
	case <-met.made:
		return true
	case <-over:
	}
	c.gpus.mu.Lock()
	defer c.gpus.mu.Unlock()
	select {
	case <-met.made:
		return true
	default:
		met.left = true
		return false
	}
}
