package cli

const usageHead = `Measure and verify collectives on tensors of any memory layout.

  bench COLLECTIVE [flags]
  bench COLLECTIVE --peers NAMES [--limit] [flags]
  bench ratio COLLECTIVE --layouts A,B [flags]
  bench ratio COLLECTIVE --vs "FLAGS" [flags]
  bench kernels [flags]
  bench cuda-kernels [flags]
  bench doctor [flags]
  bench faults kill|exit|crash|stop|cut|mismatch|strangers|soak|all [flags]

COLLECTIVE is all_reduce, all_gather, alltoall, broadcast, gather, hypercube, reduce,
reduce_scatter, scatter or sendrecv, also with nccl-tests' _perf behind it. --limit has
all_reduce and broadcast; peers say which they have.

Without a launcher, -np N processes are started on this machine. Under torchrun,
Open MPI or Slurm each process is one rank of that job. The table and the flags
are nccl-tests'. ratio measures two configurations interleaved and prints the
median, least and greatest ratio of their times.

Exit status: 0 when every value was right, 1 when something was wrong or failed,
2 for a wrong command line.

Flags:
`

// Usage is the text that help prints.
func Usage() string {
	return usageHead + newLine().flags.FlagUsages()
}
