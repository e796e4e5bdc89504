// Package engine is collective communication on tensors as they lie in memory.
//
// A Comm is one rank's handle on a fixed set of ranks that make the same calls
// in the same order:
//
//	cfg, err := engine.FromEnv()                    // torchrun, Open MPI, Slurm, ...
//	comm, err := engine.Init(ctx, cfg)
//	x := strided.Of(data).Reshape(4, 64, 128, 128).Permute(0, 2, 3, 1)
//	err = comm.AllReduce(ctx, x, x, engine.Sum)     // in place, in x's own layout
//
// Tensors may have any strides, different ones on every rank; results arrive in
// the caller's own memory, and the bytes between a view's elements are never
// written.
//
// Calls that begin with Start return at once, and run in the order in which they
// were made. A tensor may lie in the memory of a CUDA device (strided.FromDevice),
// also if other ranks' tensors do not; OnStream puts its collective in its place
// among the work of a stream. Without a GPU nothing of CUDA is needed or loaded.
//
// Every call returns, with success or an error, in bounded time. When ranks
// make different calls, each gets a *MismatchError that says who called what.
// When a rank dies, the others get the same *RankError naming it.
package engine
