//go:build cgo && linux

package main

import (
	"sync"
	"unsafe"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
)

// kept are registrations of host memory, by the handles that programs have of them.
var kept sync.Map // of *engine.Registration

// keep has RDMA adapters read registered memory of the host where it lies: whoever
// registers it promises, as with NCCL, that it stays there until it is given back. A
// communicator whose ranks have not met yet has no adapters, and whatever cannot be
// registered is copied, so there is no error.
func (c *comm) keep(key uintptr, buffer unsafe.Pointer, size uintptr) {
	select {
	case <-c.ready:
	default:
		return
	}
	if c.failed != nil || size == 0 || ofDevice(buffer) {
		return
	}
	if r, err := c.engine.Register(unsafe.Slice((*byte)(buffer), size)); err == nil && r.Direct() {
		kept.Store(key, r)
	}
}

// ofDevice reports whether memory is a device's, or wanders to one.
func ofDevice(p unsafe.Pointer) bool {
	driver := cuda()
	if driver == nil {
		return false
	}
	where, err := driver.Pointer(cudaffi.DevicePtr(uintptr(p)))
	return err == nil && (where.Memory == cudaffi.MemoryDevice || where.Memory == cudaffi.MemoryManaged)
}

// letGo ends what keep began.
func letGo(key uintptr) error {
	if r, ok := kept.LoadAndDelete(key); ok {
		return r.(*engine.Registration).Deregister()
	}
	return nil
}
