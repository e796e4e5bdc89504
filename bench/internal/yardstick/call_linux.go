//go:build amd64 || arm64

package yardstick

import (
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// arguments are those of a C function. Written out in a call of SyscallN they
// would be a new slice each time; here they are kept, and as pointers, so that
// the garbage collector sees what the C function works on.
type arguments struct {
	p [3]unsafe.Pointer
	n uintptr
}

const words = unsafe.Sizeof(arguments{}) / unsafe.Sizeof(uintptr(0))

var spare = sync.Pool{New: func() any { return new(arguments) }}

// call calls a C function of up to three pointers and a size: p[skip:] and n.
func call(function uintptr, p [3]unsafe.Pointer, skip, n int) {
	args := spare.Get().(*arguments)
	args.p, args.n = p, uintptr(n)
	purego.SyscallN(function, (*[words]uintptr)(unsafe.Pointer(args))[skip:]...)
	args.p = [3]unsafe.Pointer{} // the memory is not ours to keep
	spare.Put(args)
}
