//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"unsafe"

	"github.com/monel-dev/monel/engine"
)

// Registration tells NCCL that memory will be used often. RDMA adapters then read
// memory of the host where it lies (keep); for a device's nothing has to be done, and the
// handles exist because programs ask for them and give them back.

//export monelRegister
func monelRegister(handle C.uintptr_t, buffer unsafe.Pointer, size C.size_t, out *unsafe.Pointer) C.int {
	c, err := find(handle)
	switch {
	case err != nil:
		return result(err)
	case out == nil:
		return result(usage(engine.InvalidArgument, "rank %d: no place for the handle of registered memory", c.rank))
	case buffer == nil && size > 0:
		return result(usage(engine.InvalidArgument, "rank %d: the memory to be registered is NULL", c.rank))
	}
	key := nextHandle()
	c.keep(key, buffer, uintptr(size))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.memory[key] = buffer
	*(*uintptr)(unsafe.Pointer(out)) = key
	return result(nil)
}

//export monelDeregister
func monelDeregister(handle, key C.uintptr_t) C.int {
	c, err := find(handle)
	if err != nil {
		return result(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.memory[uintptr(key)]; !ok && key != 0 {
		return result(usage(engine.InvalidArgument, "rank %d: %#x is no registered memory", c.rank, uintptr(key)))
	}
	delete(c.memory, uintptr(key))
	return result(letGo(uintptr(key)))
}

//export monelRegistered
func monelRegistered(handle, key C.uintptr_t, out *unsafe.Pointer) C.int {
	c, err := find(handle)
	if err != nil {
		return result(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.memory[uintptr(key)]
	if !ok || out == nil {
		return result(usage(engine.InvalidArgument, "rank %d: %#x is no window, or there is no place for its address", c.rank, uintptr(key)))
	}
	*out = p
	return result(nil)
}
