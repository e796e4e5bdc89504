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
	set   *kernels.Set
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

// shareGPU returns a device's context with the kernels loaded, to be given back
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
	var set *kernels.Set
	err = ctx.Do(func() (err error) {
		set, err = kernels.Load(ctx)
		return err
	})
	if err != nil {
		if set != nil {
			err = errors.Join(err, set.Unload())
		}
		return nil, errors.Join(err, release(ctx.Release))
	}
	s := &sharedGPU{key: key, ctx: ctx, set: set, users: 1}
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
	return errors.Join(inside(s.ctx, func() error { return release(s.set.Unload) }), release(s.ctx.Release))
}
