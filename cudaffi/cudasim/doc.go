// Package cudasim is a simulated CUDA driver for tests: a libcuda.so.1 in C
// that the system's compiler builds when a test asks for it, and the means to
// control it from Go. Programs load it as they would the real one; kernels are
// those of cudaffi/kernels, compiled for the host. It is never part of a
// program, has no notion of speed, and needs Linux and a C++ compiler (and
// fails tests without one where the environment variable CI is set, or else
// skips them).
//
//	func TestOnTwoDevices(t *testing.T) {
//		sim := cudasim.Load(t, cudasim.Devices(2), cudasim.Delays(seed, time.Millisecond))
//		driver, err := cudaffi.Open(sim.Path())
//		...
//		require.Empty(t, sim.Leaks())
//	}
//
// # What it models
//
// Work is asynchronous: every stream has a thread, which may be made to start
// operations late by random times (Delays). Streams order with each other as
// CUDA's do: through events, values in memory, and the legacy default stream
// unless they are non-blocking. Streams may share hardware channels, where an
// operation that waits holds up what came after it on other streams (Channels).
// A stream is full at some time, and then makes callers wait (Depth).
// Calls wait for the device where the real ones do, and also where the real ones
// may: those that allocate, free, register, load or unload, and the first launch
// of a kernel that was not loaded before (unless Lax). A call that waits longer
// than the Patience is a fault, and returns CUDA_ERROR_LAUNCH_TIMEOUT.
//
// Device addresses cannot be touched by the host: the memory behind them is
// elsewhere. Every allocation has its own pages, with inaccessible ones around
// them, and its end is where they end, as far as alignment allows. Memory is
// filled with 0xff when it is allocated, inaccessible once it is freed, and at
// an address that is not used again. Pinned and registered host memory is
// touched by kernels where it lies. cuMemGetHandleForAddressRange gives a descriptor of
// the file that device memory really is, at the position where the range begins: no
// dma-buf, but as good for a program that maps it. Who has pinned those pages keeps them
// when the memory is freed. A kernel or copy that touches anything else
// fails with CUDA_ERROR_ILLEGAL_ADDRESS, after which the context is of no use, as
// on a GPU. Devices see each other's memory if peer access is enabled, processes
// through IPC handles.
//
// Primary contexts are counted and take everything with them, threads have
// stacks of current contexts, events keep time, PTX is read as far as names and
// parameters of kernels go, streams can be captured (into empty graphs), and
// cuGetProcAddress knows which CUDA version brought what (Version).
//
// # What it tells
//
// Faults lists what the real driver would not notice or would crash on:
// addresses that were freed or never allocated, bytes written beside an
// allocation, handles of destroyed objects, frees of what is free, calls that
// would hang. Live counts what exists, Leaks lists what was not released, Calls
// counts calls. FailCall and FailNth make calls fail, FailKernel and FailWork what
// streams carry out.
//
// The driver's state belongs to the process. So one test at a time can have it,
// which Load enforces; ranks that are goroutines share it, and each process has
// its own.
//
// # What it does not model
//
// Time and bandwidth, arrays and textures, graphs that do anything, memory pools,
// managed memory that moves, contexts other than primary ones, stream 0 of the
// functions with the suffix _ptsz. Blocks of a kernel run one after the other on
// one thread.
package cudasim
