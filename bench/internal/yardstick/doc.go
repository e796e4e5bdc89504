// Package yardstick has what our memory kernels are measured against: the C
// library's memcpy, the plain loops of a C programmer under gcc, and PyTorch's
// contiguous.
//
// The C code is loaded into this process at run time, without cgo, so it works
// on the very memory that our kernels work on. PyTorch runs in a process of its
// own and times itself. None of this is needed to build the bench command; what
// is missing when it runs is named in an error.
package yardstick
