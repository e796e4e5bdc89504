//go:build !race

package main

import (
	"fmt"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// Reducing a transposed tensor in place needs the tensor and at most 64 MiB
// more, on every rank.
func TestPeakMemory(t *testing.T) {
	const tensor, more = 256 << 20, 64 << 20
	id, err := engine.NewLocalUniqueID()
	require.NoError(t, err)
	ranks := make([]*exec.Cmd, 2)
	for rank := range ranks {
		ranks[rank] = command(t, placement(rank, len(ranks), id),
			"all_reduce", "-b", fmt.Sprint(tensor), "-e", fmt.Sprint(tensor), "-n", "1", "-w", "0", "--mode", "in_place", "--layout", "transpose")
		require.NoError(t, ranks[rank].Start())
	}
	for _, cmd := range ranks {
		require.NoError(t, cmd.Wait())
		peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
		t.Logf("peak: tensor + %d MiB", (peak-tensor)>>20)
		require.GreaterOrEqual(t, peak, int64(tensor))
		require.LessOrEqual(t, peak, int64(tensor+more))
	}
}
