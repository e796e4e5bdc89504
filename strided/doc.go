// Package strided describes tensors as they lie in memory and moves their
// elements in and out of transport slots.
//
// A Layout says where the elements of a tensor are: element type, shape,
// strides (in elements; zero and negative ones included) and offset. A Tensor
// is memory with a Layout; Reshape, Permute, Slice and their siblings make new
// Tensors of the same memory and never copy:
//
//	x := strided.Of(data).Reshape(4, 64, 128, 128).Permute(0, 2, 3, 1)
//	if err := x.Err(); err != nil { ... }
//
// A Walk is an order of a tensor's elements; Logical is the row-major order of
// the shape, Layout.MemoryWalk the one in which the memory is read most nearly
// in sequence. A View is a Tensor bound to a Walk: it numbers the elements
// 0, 1, 2, … in that order, and its Pack, Unpack, ReduceInto and ReduceOut work
// on any range [lo,hi) of those numbers, so that a collective can cut a tensor
// into chunks without knowing how it lies in memory. Elements between those of a
// tensor, such as the other columns of a matrix, are neither read nor written.
//
// Sizes, strides and offsets count elements unless a name says bytes.
//
// # Concurrency
//
// Layouts, Tensors, Walks and Views are values that do not change; they may be
// copied and used from any number of goroutines. What they do to the memory is
// as safe as any other access to it: two calls that touch the same element, one
// of them writing, need synchronisation. Programs built with the race detector
// report such pairs.
//
// # Errors
//
// Constructors and views return a *LayoutError, which wraps one of this
// package's sentinels. A Tensor carries the first error of the chain that made
// it (Tensor.Err); every later step passes it on.
package strided
