package rdma

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBetween measures distances on a machine of two processors, with switches below
// switches.
func TestBetween(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege there, and sysfs is Linux's")
	}
	root := t.TempDir()
	place := func(node string, parts ...string) string {
		path := filepath.Join(append([]string{root, "devices"}, parts...)...)
		require.NoError(t, os.MkdirAll(path, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(path, "numa_node"), []byte(node+"\n"), 0o600))
		return path
	}
	link := func(target string, parts ...string) {
		path := filepath.Join(append([]string{root}, parts...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.Symlink(target, path))
	}
	link(place("0", "pci0000:16", "0000:16:01.0", "0000:17:00.0", "0000:18:00.0", "0000:1b:00.0"), "bus/pci/devices/0000:1b:00.0")
	for name, path := range map[string][]string{
		"beside": {"0", "pci0000:16", "0000:16:01.0", "0000:17:00.0", "0000:18:01.0", "0000:1c:00.0"},
		"below":  {"0", "pci0000:16", "0000:16:01.0", "0000:17:00.0", "0000:18:02.0", "0000:1d:00.0", "0000:1e:00.0", "0000:1f:00.0"},
		"node":   {"0", "pci0000:16", "0000:16:02.0", "0000:20:00.0"},
		"bridge": {"0", "pci0000:40", "0000:40:01.0", "0000:41:00.0"},
		"far":    {"1", "pci0000:80", "0000:80:01.0", "0000:81:00.0"},
	} {
		link(place(path[0], path[1:]...), "class/infiniband", name, "device")
	}
	require.NoError(t, os.MkdirAll(filepath.Join(root, "class/infiniband/rxe0"), 0o755))
	for device, want := range map[string]Distance{
		"beside": PIX, "below": PXB, "node": PHB, "bridge": PHB, "far": SYS, "rxe0": SYS, "absent": SYS,
	} {
		require.Equal(t, want, between(root, "0000:1B:00.0", device), device)
	}
	require.Equal(t, SYS, between(root, "0000:99:00.0", "beside"))
}

func TestDistanceNames(t *testing.T) {
	for text, want := range map[string]Distance{
		"LOC": LOC, "pix": PIX, "PXB": PXB, "PHB": PHB, "SYS": SYS, "0": LOC, "1": PIX, "2": PXB, "3": PHB, "4": SYS, "5": SYS, "9": SYS,
		"7": SYS, "10": SYS, "": 0, "NVL": 0, "-1": 0, "99999999999": 0,
	} {
		require.Equal(t, want, distanceNamed(text), "%q", text)
	}
	require.Equal(t, "", Distance(77).String())
	s := FromEnv(func(name string) string {
		return map[string]string{"NCCL_NET_GDR_LEVEL": "SYS", "NCCL_NET_GDR_READ": "0", "NCCL_DMABUF_ENABLE": " 0"}[name]
	})
	require.Equal(t, Settings{DirectWithin: SYS, CopyGPU: true, NoDMABuf: true}, s)
	require.Equal(t, Settings{}, FromEnv(func(string) string { return "" }))
}
