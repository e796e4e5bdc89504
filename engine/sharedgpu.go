package engine

import (
	"errors"
	"sync"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/kernels"
)

// sharedGPU is what all communicators of a process have in common on a device.
type sharedGPU struct {
	key   gpuKey
	ctx   *cudaffi.Context
	agent *kernels.Agent
	users int           // guarded by sharedGPUs
	ready chan struct{} // closed when ctx and agent, or err, are there
	err   error
	store gpuStore
}

type gpuKey struct {
	driver  *cudaffi.Driver
	ordinal int
}

// sharedGPUs has those that are in use. Its lock is not held while the driver works, so
// that a call which does not return keeps only those waiting who need its device, too.
var sharedGPUs = struct {
	sync.Mutex
	loaded map[gpuKey]*sharedGPU
}{loaded: map[gpuKey]*sharedGPU{}}

// shareGPU returns a device's context with the agent loaded, to be given back
// with release.
func shareGPU(driver *cudaffi.Driver, ordinal int) (*sharedGPU, error) {
	key := gpuKey{driver, ordinal}
	sharedGPUs.Lock()
	s := sharedGPUs.loaded[key]
	first := s == nil
	if first {
		s = &sharedGPU{key: key, ready: make(chan struct{})}
		sharedGPUs.loaded[key] = s
	}
	s.users++
	sharedGPUs.Unlock()
	if first {
		s.err = s.load()
		if s.err != nil {
			sharedGPUs.Lock()
			delete(sharedGPUs.loaded, key) // the next one tries again
			sharedGPUs.Unlock()
		}
		close(s.ready)
	}
	<-s.ready
	if s.err != nil {
		return nil, s.err
	}
	return s, nil
}

// restock fills the store of a device that the caller has met before, and which Close may
// give back meanwhile.
func restock(driver *cudaffi.Driver, ordinal, chunk int) error {
	s, err := shareGPU(driver, ordinal)
	if err != nil {
		return err
	}
	s.stock(chunk)
	return withoutSticky(s.release())
}

// load retains the context and loads the agent.
func (s *sharedGPU) load() error {
	ctx, err := s.key.driver.Primary(s.key.ordinal)
	if err != nil {
		return err
	}
	var agent *kernels.Agent
	err = ctx.Do(func() (err error) {
		agent, err = kernels.LoadAgent(ctx)
		return err
	})
	if err != nil {
		if agent != nil {
			err = errors.Join(err, agent.Unload())
		}
		return errors.Join(err, cudaffi.Ensure(ctx.Release))
	}
	s.ctx, s.agent = ctx, agent
	return nil
}

// release gives one use back. Whoever comes after the last one loads the agent anew,
// perhaps while this one is still being unloaded.
func (s *sharedGPU) release() error {
	sharedGPUs.Lock()
	s.users--
	last := s.users == 0
	if last {
		delete(sharedGPUs.loaded, s.key)
	}
	sharedGPUs.Unlock()
	if !last {
		return nil
	}
	return errors.Join(s.clear(), inside(s.ctx, func() error { return cudaffi.Ensure(s.agent.Unload) }), cudaffi.Ensure(s.ctx.Release))
}
