// Package cudaffi calls the CUDA driver: devices, contexts, streams, events,
// memory, modules, kernels. It needs neither cgo nor the CUDA toolkit: the
// driver's library, libcuda.so.1, is loaded when Open or Default is called, so
// the same program starts on machines without a GPU and learns there, by an
// error that wraps ErrNoCUDA or ErrNoDevice, that there is none. The driver has
// to know CUDA 11.4 (NVIDIA's driver 470) at least.
//
// Linux on amd64 and arm64 can have a driver. Elsewhere, and with the build tag
// nocuda, which leaves programs statically linked, there never is one.
//
// # Contexts and threads
//
// All work is done in a device's primary context, the one that the CUDA runtime
// and with it PyTorch, NCCL and others use: memory, streams and events of one
// are those of all. CUDA keeps the current context per thread, and goroutines
// change threads. So every call here binds its goroutine to the thread, makes
// its context current and afterwards puts back what was current; any goroutine
// may make any call. Context.Do does that once for many calls.
//
// # Work and errors
//
// Most calls put work on a stream and return; none of them allocates Go memory
// in steady state. Calls that make and destroy things may wait for all that the
// device is doing, and their comments say so.
//
// Errors of the driver are of type *Error and wrap a sentinel. What goes wrong
// on the device shows in a later call. After an error that wraps ErrSticky, the
// device is lost to the process.
package cudaffi
