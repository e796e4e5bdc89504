//go:build linux && libnccl

// Package device runs programs for NCCL on the simulated CUDA driver. It is part of
// make libnccl-check, which builds them and sets MONEL_LIBNCCL_DEVICE and
// MONEL_LIBNCCL_RANDOM to them.
package device

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi/cudasim"
)

func TestDevice(t *testing.T) {
	path := cudasim.Library(t)
	for seed := range uint64(3) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Getenv("MONEL_LIBNCCL_DEVICE"))
			cmd.Env = append(os.Environ(), cudasim.Environment(path, cudasim.Devices(2), cudasim.Delays(seed, 2*time.Millisecond))...)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
}

// TestRandomCalls: random programs of calls (random.c), with tensors of which some lie on
// devices.
func TestRandomCalls(t *testing.T) {
	path := cudasim.Library(t)
	seed := uint64(time.Now().Unix())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Getenv("MONEL_LIBNCCL_RANDOM"), strconv.FormatUint(seed, 10), "10")
	cmd.Env = append(os.Environ(), cudasim.Environment(path, cudasim.Devices(4), cudasim.Delays(seed, 500*time.Microsecond))...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "seeds from %d on: %s", seed, out)
	t.Logf("seeds from %d on: %s", seed, out)
}
