package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAlgorithmNamed(t *testing.T) {
	for list, want := range map[string]string{
		"": "auto", "Ring": "ring", "Tree": "doubling", "doubling": "doubling", "ring,tree": "auto",
		"^Ring": "doubling", "^tree": "ring", "^Ring,Tree": "auto", " RING , CollNet": "ring", "NVLS": "auto", "^NVLS": "auto",
	} {
		require.Equal(t, want, algorithmNamed(list), "NCCL_ALGO=%q", list)
	}
}

func TestFromEnvReadsNCCLsVariables(t *testing.T) {
	t.Setenv("MONEL_RANK", "1")
	t.Setenv("MONEL_SIZE", "2")
	t.Setenv("MONEL_ROOT", "127.0.0.1:1234")
	t.Setenv("MONEL_SECRET", "a secret of some length")
	t.Setenv("NCCL_SOCKET_IFNAME", "^docker,lo")
	t.Setenv("NCCL_ALGO", "Ring")
	t.Setenv("NCCL_DEBUG", "info")
	t.Setenv("NCCL_SOCKET_NTHREADS", "2")
	t.Setenv("NCCL_NSOCKS_PERTHREAD", "4")
	t.Setenv("MONEL_HOP_BYTES", "65536")
	cfg, err := FromEnv()
	require.NoError(t, err)
	require.Equal(t, "^docker,lo", cfg.Interface)
	require.Equal(t, "ring", cfg.Algorithm)
	require.True(t, cfg.Explain)
	require.Equal(t, 8, cfg.Connections)
	require.Equal(t, 64<<10, cfg.HopBytes)
	require.Equal(t, 1, cfg.Rank)
}

func TestConnectionsFrom(t *testing.T) {
	for _, c := range []struct {
		threads, perThread string
		want               int
	}{
		{"", "", 0}, {"2", "", 2}, {"", "4", 4}, {"2", "4", 8}, {"16", "4", 64}, {" 2 ", "1", 2},
		{"16", "8", 0}, {"65", "", 0}, {"-1", "4", 4}, {"0", "0", 0}, {"many", "4", 4}, {"2.5", "", 0},
		{"99999999999999999999", "2", 2},
	} {
		require.Equal(t, c.want, connectionsFrom(c.threads, c.perThread), "%q x %q", c.threads, c.perThread)
	}
}
