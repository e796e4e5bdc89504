//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import "github.com/monel-dev/monel/engine"

//export monelCommRevoke
func monelCommRevoke(of C.uintptr_t, flags C.int) C.int {
	c, err := find(of)
	if err == nil {
		err = c.usable()
	}
	if err == nil && flags != C.NCCL_REVOKE_DEFAULT {
		err = usage(engine.InvalidArgument, "ncclCommRevoke: flags %d; give NCCL_REVOKE_DEFAULT", int(flags))
	}
	if err != nil {
		return result(err)
	}
	return result(c.revoke())
}

// revoke ends what is in progress; whoever has asked for that need not be told so by the
// state.
func (c *comm) revoke() error {
	c.mu.Lock()
	c.revoked = true
	c.mu.Unlock()
	if c.blocking {
		return c.engine.Revoke()
	}
	c.beside(func() { _ = c.engine.Revoke() }) // its error is that somebody closes it meanwhile
	return errInProgress
}

//export monelCommSuspend
func monelCommSuspend(handle C.uintptr_t, flags C.int) C.int {
	c, err := find(handle)
	if err == nil {
		err = c.usable()
	}
	if err == nil && flags != C.NCCL_SUSPEND_MEM {
		err = usage(engine.InvalidArgument, "ncclCommSuspend: flags %d; give NCCL_SUSPEND_MEM", int(flags))
	}
	if err == nil {
		err = c.suspend()
	}
	return result(err)
}

// suspend refuses what comes until resume, and waits for what is on streams by now; who
// resumes meanwhile need not wait for that. There is nothing to be freed: memory of GPUs that a communicator holds, what agents need to begin
// without the driver's help, cannot be had back while others may wait for the device.
func (c *comm) suspend() error {
	c.mu.Lock()
	if err := c.refusing(); err != nil { // somebody else was quicker
		c.mu.Unlock()
		return err
	}
	c.suspended = true
	c.mu.Unlock()
	c.onStreams.wait()
	return nil
}

//export monelCommResume
func monelCommResume(handle C.uintptr_t) C.int {
	c, err := find(handle)
	if err == nil {
		err = c.resume()
	}
	return result(err)
}

// resume ends a suspension.
func (c *comm) resume() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.suspended {
		return usage(engine.InvalidUsage, "rank %d: ncclCommResume: the communicator is not suspended", c.rank)
	}
	c.suspended = false
	return nil
}

//export monelCommMemory
func monelCommMemory(handle C.uintptr_t, stat C.int, out *C.uint64_t) C.int {
	c, err := find(handle)
	if err != nil {
		return result(err)
	}
	if out == nil {
		return result(usage(engine.InvalidArgument, "ncclCommMemStats: value is NULL"))
	}
	c.mu.Lock()
	suspended := c.suspended
	c.mu.Unlock()
	select {
	case <-c.ready:
	default:
		return result(errNotReady)
	}
	if c.failed != nil {
		return result(c.failed)
	}
	switch stat {
	case C.ncclStatGpuMemSuspend:
		*out = 0
	case C.ncclStatGpuMemSuspended:
		*out = 0
		if suspended {
			*out = 1
		}
	case C.ncclStatGpuMemPersist, C.ncclStatGpuMemTotal:
		*out = C.uint64_t(c.engine.DeviceBytes())
	default:
		return result(usage(engine.InvalidArgument, "ncclCommMemStats: there is no statistic %d", int(stat)))
	}
	return result(nil)
}
