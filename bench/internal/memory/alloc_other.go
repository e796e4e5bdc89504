//go:build !unix

package memory

// Allocate returns size bytes of zeroed memory, aligned for any element type.
func Allocate(size int64) ([]byte, error) {
	return make([]byte, size), nil
}
