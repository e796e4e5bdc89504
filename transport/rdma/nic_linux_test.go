//go:build (amd64 || arm64) && !nocuda

package rdma

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCellsNeedWords: where short chunks may take cells.
func TestCellsNeedWords(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "class/infiniband/mlx5_0/device"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "class/infiniband/rxe0/ports"), 0o755))
	adapter, software := &nic{software: isSoftware(root, "mlx5_0")}, &nic{software: isSoftware(root, "rxe0")}
	for _, c := range []struct {
		arch  string
		ports []*nic
		want  bool
	}{
		{"amd64", []*nic{adapter}, true},
		{"amd64", []*nic{software}, true},
		{"arm64", []*nic{adapter, adapter}, true},
		{"arm64", []*nic{software}, false},
		{"arm64", []*nic{adapter, software}, false},
	} {
		require.Equal(t, c.want, inWords(c.arch, c.ports), "%s, %v", c.arch, c.ports)
	}
}
