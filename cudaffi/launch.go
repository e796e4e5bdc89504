package cudaffi

import (
	"fmt"
	"unsafe"
)

// Launch puts a kernel on a stream: grid blocks of block threads, x first, with
// shared bytes of dynamic shared memory. params point to the kernel's
// parameters in order, each of the type that the kernel has there, 32 at most.
// They are read before Launch returns.
//
// Launch allocates nothing. What params point to has to be on the heap, though,
// so variables whose addresses are taken for one launch are allocated for it:
// keep them in a struct that is used again.
func (fn Function) Launch(s Stream, grid, block [3]uint32, shared uint32, params ...unsafe.Pointer) error {
	if len(params) > maxParams {
		return fn.c.d.failure(cuLaunchKernel, invalidValue, fmt.Sprintf("%d parameters, at most %d can be passed", len(params), maxParams))
	}
	f, err := fn.c.enter()
	if err != nil {
		return err
	}
	defer f.leave()
	copy(f.params[:], params)
	err = f.call(cuLaunchKernel, fn.handle,
		uintptr(grid[0]), uintptr(grid[1]), uintptr(grid[2]),
		uintptr(block[0]), uintptr(block[1]), uintptr(block[2]),
		uintptr(shared), s.handle, f.paramsAt, 0)
	clear(f.params[:len(params)])
	return err
}
