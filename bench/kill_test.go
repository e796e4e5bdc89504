//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ranksOf reads the table's header up to the columns and returns the ranks'
// process ids.
func ranksOf(t *testing.T, table *bufio.Scanner) []int {
	t.Helper()
	var pids []int
	for table.Scan() && !strings.Contains(table.Text(), "(elements)") {
		var rank, group, pid int
		if n, _ := fmt.Sscanf(table.Text(), "#  Rank %d Group %d Pid %d", &rank, &group, &pid); n == 3 {
			require.Len(t, pids, rank)
			pids = append(pids, pid)
		}
	}
	return pids
}

// A rank killed in the midst of its work ends the whole job within a bounded
// time, with an error that names it, and leaves no process behind.
func TestKillingARankEndsTheJob(t *testing.T) {
	cmd := command(t, nil, "all_reduce", "-np", "3", "-b", "1M", "-e", "1M", "-n", "1000000", "-c", "0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	pids := ranksOf(t, bufio.NewScanner(stdout))
	require.Len(t, pids, 3)
	time.Sleep(300 * time.Millisecond) // into the calls
	killed := time.Now()
	require.NoError(t, syscall.Kill(pids[1], syscall.SIGKILL))
	_, _ = io.Copy(io.Discard, stdout)
	require.Error(t, cmd.Wait())
	require.Less(t, time.Since(killed), grace+2*kill+10*time.Second)
	require.Equal(t, statusWrong, cmd.ProcessState.ExitCode())
	require.Contains(t, stderr.String(), fmt.Sprintf("bench: rank 1 (pid %d) failed: signal: killed", pids[1]))
	require.Contains(t, stderr.String(), "bench: rank 0 of 3: rank 1: ", "the survivors name the lost rank too")
	for _, pid := range pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	}
}

func TestInterruptEndsTheJob(t *testing.T) {
	cmd := command(t, nil, "broadcast", "-np", "2", "-b", "1M", "-e", "1M", "-n", "1000000", "-c", "0")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	pids := ranksOf(t, bufio.NewScanner(stdout))
	require.Len(t, pids, 2)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	_, _ = io.Copy(io.Discard, stdout)
	require.Error(t, cmd.Wait())
	for _, pid := range pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	}
}
