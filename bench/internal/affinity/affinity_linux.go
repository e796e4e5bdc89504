package affinity

import "golang.org/x/sys/unix"

// Bind gives the calling thread the core of its rank among those that it may
// use, if there are enough for all ranks, and reports whether it did. The caller
// has locked its goroutine to the thread.
func Bind(rank, size int) bool {
	var allowed, one unix.CPUSet
	if unix.SchedGetaffinity(0, &allowed) != nil || allowed.Count() < size {
		return false
	}
	for cpu, seen := 0, 0; ; cpu++ {
		if !allowed.IsSet(cpu) {
			continue
		}
		if seen == rank {
			one.Set(cpu)
			return unix.SchedSetaffinity(0, &one) == nil
		}
		seen++
	}
}
