//go:build unix

package launch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// roles are what the test binary does instead of testing, when it is started as
// a rank; "ROLE.N" is the role of rank N, "ROLE" of all others.
const roles = "MONEL_LAUNCH_TEST_ROLES"

func TestMain(m *testing.M) {
	if spec := os.Getenv(roles); spec != "" {
		play(spec)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func play(spec string) {
	rank := os.Getenv("TEST_RANK")
	for _, role := range strings.Split(spec, ",") {
		name, who, some := strings.Cut(role, ".")
		if some && who != rank {
			continue
		}
		switch name {
		case "ok":
			fmt.Println("rank", rank)
		case "fail":
			fmt.Fprintln(os.Stderr, "rank", rank, "has an error of its own")
			os.Exit(3)
		case "crash":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case "sleep": // until told to end
			WatchLauncher(func() { os.Exit(1) })
			time.Sleep(time.Hour)
		case "stubborn":
			signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
			fmt.Println("deaf")
			time.Sleep(time.Hour)
		case "polite": // ends in good order when interrupted
			c := make(chan os.Signal, 1)
			signal.Notify(c, os.Interrupt)
			fmt.Println("ready")
			<-c
			fmt.Println("interrupted", rank)
			os.Exit(7)
		case "launcher": // a launcher of sleepers, to be killed
			j := job("pid,sleep", 3, os.Stdout)
			_ = j.Run(context.Background(), nil)
		case "orphanable": // sees its launcher's end through the pipe alone
			fmt.Println("pid", os.Getpid())
			WatchLauncher(func() { fmt.Println("gone"); os.Exit(0) })
			time.Sleep(time.Hour)
		case "pid":
			fmt.Println("pid", os.Getpid())
			continue
		}
		return
	}
}

func job(spec string, ranks int, out *os.File) *Job {
	return &Job{
		Ranks: ranks, Path: os.Args[0], Stdout: out, Stderr: out,
		Env: func(rank int) []string {
			return append(os.Environ(), roles+"="+spec, "TEST_RANK="+strconv.Itoa(rank))
		},
		Grace: 300 * time.Millisecond, Kill: 300 * time.Millisecond,
	}
}

// run runs a job to its end and returns what it wrote.
func run(t *testing.T, ctx context.Context, spec string, ranks int, signals <-chan os.Signal) (string, error) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	require.NoError(t, err)
	defer out.Close()
	start := time.Now()
	err = job(spec, ranks, out).Run(ctx, signals)
	require.Less(t, time.Since(start), 20*time.Second, "not stopped within a bounded time")
	text, readErr := os.ReadFile(out.Name())
	require.NoError(t, readErr)
	return string(text), err
}

func TestAllRanksRun(t *testing.T) {
	out, err := run(t, t.Context(), "ok", 4, nil)
	require.NoError(t, err)
	for rank := range 4 {
		require.Contains(t, out, fmt.Sprintln("rank", rank))
	}
}

func TestAFailedRankStopsTheOthers(t *testing.T) {
	out, err := run(t, t.Context(), "fail.2,sleep", 4, nil)
	var failed *RankError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 2, failed.Rank)
	require.NotZero(t, failed.Pid)
	require.ErrorContains(t, err, "exit status 3")
	require.Contains(t, out, "rank 2 has an error of its own")
}

func TestAKilledRankStopsTheOthers(t *testing.T) {
	_, err := run(t, t.Context(), "crash.1,sleep", 3, nil)
	var failed *RankError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 1, failed.Rank)
	var status *exec.ExitError
	require.ErrorAs(t, err, &status)
	require.ErrorContains(t, err, "killed")
}

func TestStubbornRanksAreKilled(t *testing.T) {
	_, err := run(t, t.Context(), "fail.0,stubborn", 3, nil)
	var failed *RankError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 0, failed.Rank)
}

func TestTheFirstFailureIsReported(t *testing.T) {
	for range 5 {
		// Those who are asked to end die of the signal; they are not the cause.
		_, err := run(t, t.Context(), "fail.1,sleep", 5, nil)
		var failed *RankError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, 1, failed.Rank)
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	signals := make(chan os.Signal, 1)
	done := make(chan error, 1)
	go func() {
		defer w.Close()
		done <- job("polite", 2, w).Run(context.Background(), signals)
	}()
	lines := bufio.NewScanner(r)
	for range 2 { // both are ready
		require.True(t, lines.Scan())
	}
	signals <- os.Interrupt
	heard := map[string]bool{}
	for lines.Scan() {
		heard[lines.Text()] = true
	}
	require.Equal(t, map[string]bool{"interrupted 0": true, "interrupted 1": true}, heard)
	require.ErrorContains(t, <-done, "exit status 7")
}

func TestTheEndOfTheContextEndsTheJob(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := run(t, ctx, "stubborn.1,sleep", 2, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAProgramThatDoesNotExist(t *testing.T) {
	j := job("ok", 2, os.Stderr)
	j.Path = t.TempDir() + "/nothing"
	err := j.Run(t.Context(), nil)
	var failed *RankError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 0, failed.Rank)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A launcher that is killed can clean nothing up. Its ranks end all the same.
func TestRanksDoNotOutliveAKilledLauncher(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roles+"=launcher")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pids []int
	for lines := bufio.NewScanner(out); len(pids) < 3 && lines.Scan(); {
		pid, err := strconv.Atoi(strings.TrimPrefix(lines.Text(), "pid "))
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	require.Len(t, pids, 3)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for _, pid := range pids {
		require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, 10*time.Millisecond, "rank with pid %d is an orphan", pid)
	}
}

// alive tells a running process from one that has ended, waited for or not.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	_, after, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(after, []byte("Z"))
}

// Where the kernel has no parent-death signal, the pipe must do.
func TestThePipeTellsThatTheLauncherIsGone(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roles+"=orphanable", watchVariable+"=1")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.NoError(t, stdin.Close())
	require.True(t, lines.Scan())
	require.Equal(t, "gone", lines.Text())
	require.NoError(t, cmd.Wait())
}

func TestOnlyLaunchedProcessesWatch(t *testing.T) {
	require.False(t, Launched())
	WatchLauncher(func() { t.Error("watched standard input without being asked to") })
	time.Sleep(10 * time.Millisecond)
}
