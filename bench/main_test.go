package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/report"
)

// asBench makes the test binary behave as the bench command.
const asBench = "MONEL_TEST_AS_BENCH"

func TestMain(m *testing.M) {
	if os.Getenv(asBench) == "1" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// bench prepares a run of the command.
func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asBench+"=1")
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// result is how a run of the command ended.
type result struct {
	stdout, stderr string
	status         int
}

func invoke(t *testing.T, args ...string) result {
	t.Helper()
	return invokeWith(t, nil, args...)
}

// invokeWith is invoke with more environment variables.
func invokeWith(t *testing.T, env []string, args ...string) result {
	t.Helper()
	cmd := command(t, env, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// quick makes runs short.
func quick(args ...string) []string { return append(args, "-n", "2", "-w", "1", "--timeout", "30s") }

func records(t *testing.T, text string) []report.Record {
	t.Helper()
	var all []report.Record
	for line := range strings.Lines(text) {
		var r report.Record
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&r), line)
		all = append(all, r)
	}
	return all
}

func TestEveryCollectiveAndLayoutBetweenProcesses(t *testing.T) {
	for _, collective := range []string{"all_reduce", "broadcast"} {
		for _, layout := range layouts.Names() {
			t.Run(collective+"/"+string(layout), func(t *testing.T) {
				r := invoke(t, quick(collective, "-np", "3", "-b", "8", "-e", "512K", "-f", "16", "--transport", "tcp", "--layout", string(layout), "--json", "-")...)
				require.Zero(t, r.status, r.stderr)
				all := records(t, r.stdout)
				require.Len(t, all, 10)
				for _, rec := range all {
					require.Equal(t, collective, rec.Collective)
					require.Equal(t, string(layout), rec.Layout)
					require.Equal(t, 3, rec.Ranks)
					require.Equal(t, "tcp", rec.Transport)
					require.NotNil(t, rec.Wrong)
					require.Zero(t, *rec.Wrong)
					require.Positive(t, rec.TimeUS)
				}
				require.Contains(t, r.stderr, "# Out of bounds values : 0 OK", "the table goes to stderr then")
			})
		}
	}
}

// Every collective of nccl-tests, also on a rank by itself.
func TestEveryCollectiveBetweenProcesses(t *testing.T) {
	for _, collective := range cli.Collectives() {
		for _, np := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/np=%d", collective, np), func(t *testing.T) {
				t.Parallel()
				r := invoke(t, quick(string(collective), "-np", fmt.Sprint(np), "-b", "8", "-e", "512K", "-f", "256", "--layout", "mixed", "--json", "-")...)
				require.Zero(t, r.status, r.stderr)
				all := records(t, r.stdout)
				forms := 2
				if !collective.Has(cli.InPlace) {
					forms = 1
				}
				require.Len(t, all, 3*forms)
				for _, rec := range all {
					require.Equal(t, string(collective), rec.Collective)
					require.Equal(t, np, rec.Ranks)
					require.Zero(t, *rec.Wrong)
				}
			})
		}
	}
}

func TestEveryTypeAndOperatorBetweenProcesses(t *testing.T) {
	r := invoke(t, quick("all_reduce", "-np", "2", "-b", "4000", "-e", "4000", "-d", "all", "-o", "all", "--layout", "mixed", "--json", "-")...)
	require.Zero(t, r.status, r.stderr)
	seen := map[string]bool{}
	for _, rec := range records(t, r.stdout) {
		require.Zero(t, *rec.Wrong)
		seen[fmt.Sprint(rec.DType, rec.Op, rec.InPlace)] = true
	}
	require.Len(t, seen, 12*6*2)
}

func TestEveryRoot(t *testing.T) {
	r := invoke(t, quick("broadcast", "-np", "3", "-b", "1K", "-e", "1K", "-r", "all")...)
	require.Zero(t, r.status, r.stderr)
	for root := range 3 {
		require.Contains(t, r.stdout, fmt.Sprintf("        1024           256     float    none  %6d", root))
	}
}

func TestTableOnStandardOutput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rows.json")
	r := invoke(t, quick("all_reduce", "-np", "2", "-b", "8", "-e", "64", "-f", "8", "--mode", "in_place", "-c", "0", "--json", file)...)
	require.Zero(t, r.status, r.stderr)
	require.Empty(t, r.stderr)
	require.Contains(t, r.stdout, "# Collective test starting: all_reduce\n")
	require.Contains(t, r.stdout, "#  Rank  1 Group  0 Pid ")
	require.Contains(t, r.stdout, "     N/A\n")
	require.Contains(t, r.stdout, "# Collective test concluded: all_reduce\n")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	all := records(t, string(text))
	require.Len(t, all, 2)
	require.Nil(t, all[0].Wrong)
	require.True(t, all[0].InPlace)
}

// TestNcclTestsFlags measures as a line of nccl-tests' asks for it.
func TestNcclTestsFlags(t *testing.T) {
	r := invoke(t, quick("reduce_scatter_perf", "-np", "2", "-b", "8", "-e", "512K", "-f", "256", "-g", "1", "-t", "1", "-m", "3", "-a", "1", "-z", "1", "-N", "2", "-R", "1", "-o", "mulsum", "--json", "-")...)
	require.Zero(t, r.status, r.stderr)
	all := records(t, r.stdout)
	require.Len(t, all, 2*3*2)
	for _, rec := range all {
		require.Equal(t, "mulsum", rec.Op)
		require.Zero(t, *rec.Wrong)
	}
	require.Contains(t, r.stderr, "agg iters: 3 ")
}

func TestRatioBetweenProcesses(t *testing.T) {
	r := invoke(t, quick("ratio", "all_reduce", "-np", "2", "-b", "64K", "-e", "64K", "--rounds", "3", "--layouts", "transpose,contiguous", "--json", "-")...)
	require.Zero(t, r.status, r.stderr)
	all := records(t, r.stdout)
	require.Len(t, all, 2)
	require.Equal(t, "transpose", all[0].Layout)
	require.Equal(t, "contiguous", all[1].Layout)
	require.Contains(t, r.stderr, "# A: all_reduce --layout transpose --mode in_place -d float -o sum --transport auto")

	// Settings of a communicator need a second one.
	r = invoke(t, quick("ratio", "all_reduce", "-np", "2", "-b", "64K", "-e", "64K", "--rounds", "2", "--layout", "column", "--vs", "--logical_order")...)
	require.Zero(t, r.status, r.stderr)
	require.Contains(t, r.stdout, "--transport auto --logical_order\n")

	r = invoke(t, quick("ratio", "all_reduce", "-np", "2", "-b", "1M", "-e", "1M", "--rounds", "1", "--layouts", "column,contiguous", "--max_ratio", "0.0001")...)
	require.Equal(t, statusWrong, r.status)
	require.Contains(t, r.stderr, "is above --max_ratio 0.0001")
}

func TestUsage(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "bench: no collective given"},
		{[]string{"all_reduce", "--wat"}, "bench: unknown flag: --wat"},
		{[]string{"broadcast", "-np", "2", "-r", "2"}, "bench: --root 2: there are 2 ranks, 0 to 1"},
		{[]string{"ratio", "broadcast", "-np", "2", "-r", "1", "--vs", "-r 2"}, "bench: --root 2: there are 2 ranks, 0 to 1"},
	} {
		r := invoke(t, tc.args...)
		require.Equal(t, statusUsage, r.status)
		require.Contains(t, r.stderr, tc.want)
		require.Contains(t, r.stderr, "Run 'bench --help'")
		require.Empty(t, r.stdout)
	}
	r := invoke(t, "--help")
	require.Zero(t, r.status)
	require.Contains(t, r.stdout, "bench ratio COLLECTIVE")
}

func TestARankThatFailsEndsTheJob(t *testing.T) {
	r := invoke(t, quick("all_reduce", "-np", "3", "-b", "8", "-e", "8", "--json", filepath.Join(t.TempDir(), "no", "such", "folder"))...)
	require.Equal(t, statusWrong, r.status)
	require.Contains(t, r.stderr, "bench: rank 0 of 3: --json: open ")
	require.Contains(t, r.stderr, "failed: exit status 1")
}

func TestANumberOfRanksThatContradictsTheLauncher(t *testing.T) {
	cmd := command(t, []string{"MONEL_RANK=1", "MONEL_SIZE=3", "MONEL_ROOT=127.0.0.1:9", "MONEL_SECRET=unused"}, "all_reduce", "-np", "2")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, statusUsage, cmd.ProcessState.ExitCode())
	require.Contains(t, string(out), "-np 2: this process was launched as rank 1 of 3; leave -np out")
}
