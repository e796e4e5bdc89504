package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNormalize(t *testing.T) {
	require.Equal(t,
		[]string{"--np", "4", "--np=5", "--np=6", "-n", "p", "-npx", "--np", "7", "--", "-np", "8"},
		normalize([]string{"-np", "4", "-np=5", "-np6", "-n", "p", "-npx", "--np", "7", "--", "-np", "8"}))
}

func FuzzParseNeverPanics(f *testing.F) {
	f.Add("all_reduce", "-np", "4", "-b8")
	f.Add("ratio", "broadcast", "--vs", "--layout slice")
	f.Add("all_reduce", "-e", "1.5G", "--")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		cfg, err := Parse([]string{a, b, c, d})
		if err != nil {
			return
		}
		require.LessOrEqual(t, cfg.Sweep.Min, cfg.Sweep.Max)
		require.Positive(t, cfg.NP)
		require.Contains(t, Collectives(), cfg.Case.Collective)
	})
}
