// Package kernels moves and reduces strided tensors in GPU memory: what package
// strided does on the host, done by CUDA kernels.
//
// A View is a tensor's elements in the order in which they are walked; a slot is
// elements packed in that order, usually in mapped pinned memory, through which
// they travel. Pack, Unpack, ReduceInto, ReduceOut and Move work on any range of
// a View. They put one launch on a stream, rarely two, and return. Results have
// the bits that package strided gives them, but for the payload of a NaN that a
// sum or product of float or double made.
//
// # The agent
//
// An Agent does the same without launches: each of its Runs is one kernel on a
// stream, which carries out commands that the host writes to pinned memory while it
// runs, until it is told to end.
//
// # Sources
//
// The kernels are CUDA C++ (*.cu, *.h), compiled to PTX (kernels.ptx, agent.ptx)
// that is part of the program; the driver compiles that for the GPU. The same sources
// compile for the host, so that tests and simulated drivers need no GPU: Source,
// host.h.
package kernels
