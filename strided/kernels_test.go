package strided

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKernelsInUseAreSupported(t *testing.T) {
	active, supported := Kernels()
	require.Contains(t, supported, active)
	require.Equal(t, "scalar", supported[0])
}
