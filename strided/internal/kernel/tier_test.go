package kernel

import "testing"

// forEachTier runs a test on every set of kernels that this machine can execute.
func forEachTier(t *testing.T, f func(t *testing.T)) {
	t.Run("scalar", f)
}
