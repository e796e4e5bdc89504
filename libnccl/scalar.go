//go:build cgo && linux

package main

// #include "abi.h"
import "C"

import (
	"unsafe"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// scalar is an operator of ncclRedOpCreatePreMulSum. It may be destroyed while calls of
// a group that has not ended use it.
type scalar struct {
	dt   strided.DType
	op   engine.Op      // made at once, if at is nil
	at   unsafe.Pointer // else where the factor is when a collective begins
	uses int            // of op, by calls and by the table
}

// mostOps is how many a communicator may have at a time.
const mostOps = 1 << 16

//export monelOpCreate
func monelOpCreate(handle C.uintptr_t, factor unsafe.Pointer, dtype, residence C.int, out *C.int) C.int {
	number, err := createOp(handle, factor, dtype, residence)
	*out = C.int(number)
	return result(err)
}

func createOp(handle C.uintptr_t, factor unsafe.Pointer, dtype, residence C.int) (int, error) {
	c, err := find(handle)
	if err == nil {
		err = c.usable()
	}
	if err != nil {
		return 0, err
	}
	dt, err := dtypeOf(dtype)
	if err != nil {
		return 0, err
	}
	s := &scalar{dt: dt, uses: 1}
	switch {
	case factor == nil:
		return 0, usage(engine.InvalidArgument, "ncclRedOpCreatePreMulSum: scalar is NULL")
	case residence == C.ncclScalarHostImmediate:
		if s.op, err = c.engine.NewPreMulSum(dt, strided.FromPointer(dt, factor, int64(dt.Size()))); err != nil {
			return 0, err
		}
	case residence == C.ncclScalarDevice:
		s.at = factor
		device, err := c.deviceOf(factor)
		if err != nil {
			return 0, err
		}
		if device != onHost {
			return 0, usage(engine.InvalidUsage, "ncclRedOpCreatePreMulSum: scalars in a device's memory are not supported; use ncclScalarHostImmediate")
		}
	default:
		return 0, usage(engine.InvalidArgument, "ncclRedOpCreatePreMulSum: residence %d does not exist", residence)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for number := int(C.ncclNumOps); number < mostOps; number++ {
		if c.scalars[number] == nil {
			c.scalars[number] = s
			return number, nil
		}
	}
	return 0, usage(engine.InvalidUsage, "ncclRedOpCreatePreMulSum: there are %d operators already", mostOps)
}

//export monelOpDestroy
func monelOpDestroy(handle C.uintptr_t, number C.int) C.int {
	c, err := find(handle)
	if err != nil {
		return result(err)
	}
	c.mu.Lock()
	s := c.scalars[int(number)]
	delete(c.scalars, int(number))
	c.mu.Unlock()
	if s == nil {
		return result(usage(engine.InvalidArgument, "operator %d is none that ncclRedOpCreatePreMulSum has made", int(number)))
	}
	c.release(s)
	return result(nil)
}

// release ends one use of a scalar's operator.
func (c *comm) release(s *scalar) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.uses--; s.uses == 0 && s.at == nil {
		_ = c.engine.FreeOp(s.op) // it is there
	}
}

// opOf is the engine's operator for a number, until free is called.
func (c *comm) opOf(number int) (op engine.Op, free func(), err error) {
	free = nothing
	if number >= 0 && number < C.ncclNumOps {
		return engine.Op(number), free, nil
	}
	c.mu.Lock()
	s := c.scalars[number]
	if s != nil {
		s.uses++
	}
	c.mu.Unlock()
	switch {
	case s == nil:
		return 0, free, usage(engine.InvalidArgument, "rank %d: operator %d does not exist", c.rank, number)
	case s.at == nil:
		return s.op, func() { c.release(s) }, nil
	}
	op, err = c.engine.NewPreMulSum(s.dt, strided.FromPointer(s.dt, s.at, int64(s.dt.Size())))
	if err != nil {
		return 0, free, err
	}
	return op, func() { _ = c.engine.FreeOp(op) }, nil // it is there
}
