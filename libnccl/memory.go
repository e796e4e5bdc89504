//go:build cgo && linux

package main

// #include <stdlib.h>
// #include "abi.h"
import "C"

import (
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"unsafe"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// cuda is the machine's driver, nil where there is none: then all memory is the host's.
var cuda = sync.OnceValue(func() *cudaffi.Driver {
	driver, err := cudaffi.Default()
	if err != nil {
		return nil
	}
	return driver
})

// contexts are the devices' primary ones, held for as long as the process lives.
var contexts sync.Map // of a func() (*cudaffi.Context, error), by ordinal

func contextOf(ordinal int) (*cudaffi.Context, error) {
	get, _ := contexts.LoadOrStore(ordinal, sync.OnceValues(func() (*cudaffi.Context, error) { return cuda().Primary(ordinal) }))
	return get.(func() (*cudaffi.Context, error))()
}

// onHost is the device of what is in host memory.
const onHost = -1

// deviceOf says which device's memory p is in. Memory that all devices reach is the
// communicator's, whose streams work on it.
func (c *comm) deviceOf(p unsafe.Pointer) (int, error) {
	driver := cuda()
	if driver == nil || p == nil {
		return onHost, nil
	}
	where, err := driver.Pointer(cudaffi.DevicePtr(uintptr(p)))
	switch {
	case errors.Is(err, cudaffi.ErrInvalidValue), errors.Is(err, cudaffi.ErrInvalidContext):
		return onHost, nil // nothing of CUDA is at the address, or in the process
	case err != nil:
		return onHost, fmt.Errorf("%w: %w", engine.ErrCUDA, err)
	case where.Memory == cudaffi.MemoryManaged && c.current >= 0:
		return c.current, nil
	case where.Memory == cudaffi.MemoryDevice, where.Memory == cudaffi.MemoryManaged:
		return where.Device, nil
	}
	return onHost, nil
}

// stretch is memory of so many bytes as a one-dimensional tensor.
func stretch(dt strided.DType, p unsafe.Pointer, bytes int64, device int) strided.Tensor {
	if device == onHost {
		return strided.FromPointer(dt, p, bytes)
	}
	return strided.FromDevice(dt, uint64(uintptr(p)), bytes)
}

// dtypeOf is an ncclDataType_t's element type.
func dtypeOf(number C.int) (strided.DType, error) {
	if number < 0 || number >= C.ncclNumTypes {
		return 0, usage(engine.InvalidArgument, "data type %d does not exist; give 0 to %d", number, C.ncclNumTypes-1)
	}
	return strided.DType(number), nil
}

// bufferOf is a contiguous buffer of NCCL: blocks times count elements. name is what
// errors call it.
func (c *comm) bufferOf(name string, p unsafe.Pointer, dt strided.DType, count uint64, blocks int) (strided.Tensor, int, error) {
	high, bytes := bits.Mul64(count, uint64(blocks*dt.Size()))
	if high != 0 || bytes > 1<<62 {
		return strided.Tensor{}, onHost, usage(engine.InvalidArgument, "%s: %d times %d elements are more than memory has", name, blocks, count)
	}
	device, err := c.deviceOf(p)
	if err != nil {
		return strided.Tensor{}, onHost, err
	}
	t := stretch(dt, p, int64(bytes), device)
	return t, device, named(name, t.Err())
}

// mostDims bounds what is read of a tensor's shape.
const mostDims = 64

// tensorOf is a tensor of monel_nccl.h, whose elements are at p.
func (c *comm) tensorOf(name string, t *C.monelTensor_t, p unsafe.Pointer) (strided.Tensor, int, error) {
	refuse := func(format string, args ...any) (strided.Tensor, int, error) {
		return strided.Tensor{}, onHost, usage(engine.InvalidArgument, name+": "+format, args...)
	}
	dt, err := dtypeOf(C.int(t.dtype))
	switch {
	case err != nil:
		return strided.Tensor{}, onHost, named(name, err)
	case t.ndim < 0 || t.ndim > mostDims:
		return refuse("%d dimensions; give 0 to %d", t.ndim, mostDims)
	case t.ndim > 0 && t.shape == nil:
		return refuse("%d dimensions, and no shape", t.ndim)
	}
	shape := append([]int64{}, unsafe.Slice((*int64)(unsafe.Pointer(t.shape)), t.ndim)...)
	strides := rowMajor(shape)
	if t.strides != nil {
		copy(strides, unsafe.Slice((*int64)(unsafe.Pointer(t.strides)), t.ndim))
	}
	below, above, some, ok := extent(shape, strides)
	if !ok {
		return refuse("shape %v with strides %v is negative, or more than memory has", shape, strides)
	}
	device, err := c.deviceOf(p)
	if err != nil {
		return strided.Tensor{}, onHost, err
	}
	if !some {
		whole := stretch(dt, nil, 0, onHost).AsStrided(shape, rowMajor(shape), 0)
		return whole, device, named(name, whole.Err())
	}
	if p == nil {
		return refuse("its data is NULL")
	}
	size := int64(dt.Size())
	start := unsafe.Add(p, -below*size)
	whole := stretch(dt, start, (below+above+1)*size, device).AsStrided(shape, strides, below)
	return whole, device, named(name, whole.Err())
}

// named adds what an error is about.
func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return &argumentError{name, err}
}

// argumentError is an error about a buffer.
type argumentError struct {
	name string
	err  error
}

func (e *argumentError) Error() string { return e.name + ": " + e.err.Error() }

// Unwrap makes it an invalid argument, too.
func (e *argumentError) Unwrap() []error { return []error{engine.ErrInvalidArgument, e.err} }

// allocated is what ncclMemAlloc has got from devices.
var allocated sync.Map // contexts, by address

//export monelMemAlloc
func monelMemAlloc(out *unsafe.Pointer, size C.size_t) C.int {
	if out == nil {
		return result(usage(engine.InvalidArgument, "ncclMemAlloc: ptr is NULL"))
	}
	if device := int(C.monel_current_device()); device >= 0 && cuda() != nil {
		ctx, err := contextOf(device)
		if err == nil {
			var p cudaffi.DevicePtr
			if p, err = ctx.Alloc(int64(size)); err == nil {
				*(*uintptr)(unsafe.Pointer(out)) = uintptr(p)
				allocated.Store(uintptr(p), ctx)
				return result(nil)
			}
		}
		return result(fmt.Errorf("%w: ncclMemAlloc: %w", engine.ErrCUDA, err))
	}
	if C.posix_memalign(out, C.NCCL_WIN_REQUIRED_ALIGNMENT, max(size, 1)) != 0 {
		return result(usage(engine.SystemError, "ncclMemAlloc: no memory for %d bytes", uint64(size)))
	}
	return result(nil)
}

//export monelMemFree
func monelMemFree(p unsafe.Pointer) C.int {
	if ctx, ok := allocated.LoadAndDelete(uintptr(p)); ok {
		if err := ctx.(*cudaffi.Context).Free(cudaffi.DevicePtr(uintptr(p))); err != nil {
			return result(fmt.Errorf("%w: ncclMemFree: %w", engine.ErrCUDA, err))
		}
		return result(nil)
	}
	C.free(p)
	return result(nil)
}
