// Package peers builds, starts and drives other implementations of the
// collectives, so that they can be measured in turns with ours.
//
// A contender is one process per rank. Every process connects to its driver's
// Unix socket and says
//
//	hello RANK SIZE VERSION...
//
// Then it reads jobs, one a line, the same for all ranks but for the tensor,
//
//	time|verify COLLECTIVE DTYPE COUNT in_place|out_of_place ROOT WARMUP ITERS SHAPE STRIDES OFFSET STORAGE
//
//	digest COLLECTIVE DTYPE COUNT in_place|out_of_place ROOT 0 0 OP
//
// and answers each with "ok SECONDS" per call, "ok WRONG" values of this rank,
// "ok HASH" of its result (MPI only), or "error TEXT". Between jobs all ranks block in a read, so an idle contender
// takes nothing from whoever is being measured. The end of the connection ends
// the process, so none outlives its driver.
package peers
