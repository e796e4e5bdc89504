//go:build unix

package memory

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Allocate returns size bytes of zeroed, page-aligned memory from outside the
// Go heap, as the tensors of other languages are. Inside the heap a tensor of
// a GiB would let another GiB of garbage gather before the next collection.
// The memory is never given back: a bench allocates once and ends.
func Allocate(size int64) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, int(max(size, 1)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("allocating %d bytes for a tensor: %w", size, err)
	}
	return b[:size], nil
}
