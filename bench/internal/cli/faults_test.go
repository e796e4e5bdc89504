package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseFaults(t *testing.T) {
	c, err := ParseFaults([]string{"kill,stop", "cut", "-np", "5", "--transport", "shm", "--trials", "7", "--seed", "3", "--timeout", "1s", "--write", "f"})
	require.NoError(t, err)
	require.Equal(t, &FaultsConfig{Campaigns: []string{"kill", "stop", "cut"}, RanksGiven: true, Ranks: 5, Transports: []Transport{SHM}, Trials: 7, Seed: 3,
		Timeout: time.Second, Time: time.Hour, Write: "f"}, c)

	c, err = ParseFaults([]string{"all"})
	require.NoError(t, err)
	require.Equal(t, []string{"kill", "exit", "crash", "stop", "cut", "mismatch", "strangers"}, c.Campaigns)
	require.Equal(t, []Transport{TCP, SHM}, c.Transports)
	require.NotZero(t, c.Seed)

	c, err = ParseFaults([]string{"cut-both,cut-in", "cut-out,link-down"})
	require.NoError(t, err)
	require.Equal(t, []string{"cut-both", "cut-in", "cut-out", "link-down"}, c.Campaigns)

	for _, bad := range [][]string{{}, {"burn"}, {"kill", "-np", "2"}, {"kill", "-np", "9"}, {"kill", "--transport", "rdma"},
		{"kill", "--trials", "-1"}, {"stop", "--timeout", "1ms"}, {"soak", "--time", "0"}, {"kill", "--wat"}} {
		_, err := ParseFaults(bad)
		require.Error(t, err, "%v", bad)
	}
	_, err = ParseFaults([]string{"--help"})
	require.ErrorIs(t, err, ErrHelp)
	require.Contains(t, FaultsUsage(), "SIGSTOP")
}
