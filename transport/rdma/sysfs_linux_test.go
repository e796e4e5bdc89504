package rdma

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/Mellanox/rdmamap"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/internal/ibv"
	"github.com/monel-dev/monel/transport"
)

// TestPorts reads a tree of files as sysfs has it: an Ethernet adapter with a gap in
// its GID table, an InfiniBand one, and one that tells next to nothing.
func TestPorts(t *testing.T) {
	root, real := t.TempDir(), t.TempDir() // what is in sysfs's folder are links
	before := rdmamap.RdmaClassDir
	rdmamap.RdmaClassDir = root
	t.Cleanup(func() { rdmamap.RdmaClassDir = before })
	for name, text := range map[string]string{
		"roce0/device/numa_node":          "1\n",
		"roce0/node_type":                 "1: CA\n",
		"roce0/ports/1/state":             "4: ACTIVE\n",
		"roce0/ports/1/link_layer":        "Ethernet\n",
		"roce0/ports/1/rate":              "100 Gb/sec (4X EDR)\n",
		"roce0/ports/1/gids/0":            "fe80:0000:0000:0000:0000:0000:0000:0001\n",
		"roce0/ports/1/gid_attrs/types/0": "IB/RoCE v1\n",
		"roce0/ports/1/gid_attrs/ndevs/0": "eth7\n",
		"roce0/ports/1/gids/1":            "0000:0000:0000:0000:0000:0000:0000:0000\n",
		"roce0/ports/1/gids/4":            "0000:0000:0000:0000:0000:ffff:0a00:0005\n",
		"roce0/ports/1/gid_attrs/types/4": "RoCE v2\n",
		"roce0/ports/1/gids/5":            "fe80:0000:0000:0000:0000:0000:0000:0009\n", // without a type: not in use
		"ib0/ports/1/state":               "1: DOWN\n",
		"ib0/ports/1/link_layer":          "InfiniBand\n",
		"ib0/ports/1/rate":                "2.5 Gb/sec (1X SDR)\n",
		"ib0/ports/1/gids/0":              "fe80:0000:0000:0000:0000:0000:0000:0002\n",
		"mute/ports/1/gids/nothing":       "",
		"mute/ports/none/state":           "4: ACTIVE\n",
	} {
		path := filepath.Join(real, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	for _, device := range []string{"roce0", "ib0", "mute"} {
		require.NoError(t, os.Symlink(filepath.Join(real, device), filepath.Join(root, device)))
	}
	require.Equal(t, []Port{
		{Device: "ib0", Number: 1, InfiniBand: true, GbitPerS: 2.5, NUMANode: -1, GIDs: []GID{{0, netip.MustParseAddr("fe80::2"), ""}}},
		{Device: "mute", Number: 1, NUMANode: -1},
		{Device: "roce0", Number: 1, Active: true, GbitPerS: 100, NodeType: "CA", NUMANode: 1, NetDevice: "eth7", GIDs: []GID{
			{0, netip.MustParseAddr("fe80::1"), "IB/RoCE v1"}, {4, netip.MustParseAddr("::ffff:10.0.0.5"), "RoCE v2"},
		}},
	}, Ports())
}

// TestNothingThere asks where there is no device, or no library either.
func TestNothingThere(t *testing.T) {
	before := rdmamap.RdmaClassDir
	rdmamap.RdmaClassDir = t.TempDir()
	t.Cleanup(func() { rdmamap.RdmaClassDir = before })
	require.Empty(t, Ports())
	for what, err := range map[string]error{
		"Find":  func() error { _, err := Find(Settings{}); return err }(),
		"Probe": func() error { _, err := Probe(Settings{}, 1); return err }(),
		"New":   func() error { _, err := New(Config{Size: 1}, nil); return err }(),
	} {
		require.ErrorIs(t, err, transport.ErrUnavailable, what)
		want := "no RDMA device in /sys/class/infiniband"
		if ibv.Available() != nil {
			want = ibv.LibraryName
		}
		require.ErrorContains(t, err, want, what)
	}
	_, err := Find(Settings{Disabled: true})
	require.ErrorContains(t, err, "unset NCCL_IB_DISABLE")
}
