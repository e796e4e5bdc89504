//go:build linux && python

// Package tests runs the Python package's tests of devices on the simulated CUDA driver. It
// is part of make python, which sets MONEL_PYTHON to the interpreter.
package tests

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
	for seed := range uint64(2) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Getenv("MONEL_PYTHON"), "-W", "ignore", "device_checks.py")
			cmd.Env = append(os.Environ(), cudasim.Environment(path, cudasim.Devices(2),
				cudasim.Delays(seed, 2*time.Millisecond), cudasim.Patience(time.Minute))...)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
}
