//go:build (amd64 || arm64) && !nocuda

package ibv

import "unsafe"

// call is a call of a C function whose arguments are laid out once and that is made
// again and again: what purego prepares for functions of any kind costs several times
// what posting a request takes. It lies in memory that does not move.
type call struct {
	fn     uintptr
	args   [3]uintptr
	result uintptr
}

// do makes the call and returns the C int that it gives.
func (c *call) do() int32 {
	cgocall(enterABI0, unsafe.Pointer(c))
	return int32(c.result)
}

// cgocall runs a function of C's calling convention on a stack of C's.
//
//go:linkname cgocall runtime.cgocall
//go:noescape
func cgocall(fn uintptr, arg unsafe.Pointer) int32

// enterABI0 is the address of enter, which makes a *call.
var enterABI0 uintptr
