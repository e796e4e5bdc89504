package faults

import "os"

// descriptorsOpen counts this process's descriptors, without the one it takes to count;
// 0 where the system does not tell.
func descriptorsOpen() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries) - 1
}
