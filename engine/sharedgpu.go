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
	users int
}

type gpuKey struct {
	driver  *cudaffi.Driver
	ordinal int
}

var sharedGPUs = struct {
	sync.Mutex
	loaded map[gpuKey]*sharedGPU
}{loaded: map[gpuKey]*sharedGPU{}}

// shareGPU returns a device's context with the agent loaded, to be given back
// with release.
func shareGPU(driver *cudaffi.Driver, ordinal int) (*sharedGPU, error) {
	sharedGPUs.Lock()
	defer sharedGPUs.Unlock()
	key := gpuKey{driver, ordinal}
	if s := sharedGPUs.loaded[key]; s != nil {
		s.users++
		return s, nil
	}
	ctx, err := driver.Primary(ordinal)
	if err != nil {
		return nil, err
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
		return nil, errors.Join(err, cudaffi.Ensure(ctx.Release))
	}
	s := &sharedGPU{key: key, ctx: ctx, agent: agent, users: 1}
	sharedGPUs.loaded[key] = s
	return s, nil
}

func (s *sharedGPU) release() error {
	sharedGPUs.Lock()
	defer sharedGPUs.Unlock()
	if s.users--; s.users > 0 {
		return nil
	}
	delete(sharedGPUs.loaded, s.key)
	return errors.Join(inside(s.ctx, func() error { return cudaffi.Ensure(s.agent.Unload) }), cudaffi.Ensure(s.ctx.Release))
}
