package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/report"
)

// The peers themselves are measured and verified by scripts/bench_peers.sh; the
// limit is a contender that is always there.
func TestContestBetweenProcesses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("--limit is measured on Linux only")
	}
	for _, transport := range []string{"tcp", "shm"} {
		for _, collective := range []string{"all_reduce", "broadcast"} {
			t.Run(transport+"/"+collective, func(t *testing.T) {
				dir := t.TempDir()
				plot, results := filepath.Join(dir, "a.svg"), filepath.Join(dir, "R.md")
				args := []string{
					collective, "-np", "3", "--transport", transport, "--limit", "-b", "0", "-e", "3M", "-f", "64", "--rounds", "3",
					"--layout", "transpose", "--plot", plot, "--results=" + results, "--json", "-",
				}
				for range 2 {
					r := invoke(t, quick(args...)...)
					require.Zero(t, r.status, r.stderr)
					require.Contains(t, r.stderr, "# Wrong values of all contenders: 0")
					lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
					require.Len(t, lines, 2*5)
					for i, line := range lines {
						var rec report.MatchRecord
						require.NoError(t, json.Unmarshal([]byte(line), &rec))
						require.Equal(t, []string{report.Ours, report.Limit}[i%2], rec.Contender)
						require.Equal(t, transport, rec.Transport)
						require.True(t, rec.InPlace)
						require.NotNil(t, rec.Wrong)
						require.Zero(t, *rec.Wrong)
						require.Len(t, rec.RoundsUS, 3)
						require.Positive(t, rec.TimeUS)
					}
				}
				require.FileExists(t, plot)
				text, err := os.ReadFile(results)
				require.NoError(t, err)
				require.Equal(t, 1, strings.Count(string(text), "# Results\n"), "the head stands once")
				require.Equal(t, 2, strings.Count(string(text), "## "+collective+", 3 ranks, "+transport+", transpose, float\n"))
			})
		}
	}
}

func TestContestIsForOneMachine(t *testing.T) {
	cmd := command(t, []string{"MONEL_RANK=0", "MONEL_SIZE=1"}, "all_reduce", "--limit")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "leave the launcher out and give -np N")
}

func TestCommandLineLeavesFilesOut(t *testing.T) {
	require.Equal(t, "bench all_reduce -np 2 --limit",
		commandLine([]string{"all_reduce", "--json", "-", "-np", "2", "--plot=/x/a.svg", "--limit", "--results", "R.md"}))
}
