package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/doctor"
)

func TestDoctor(t *testing.T) {
	r := invoke(t, "doctor")
	require.Zero(t, r.status, r.stderr)
	for _, section := range []string{"\nkernels  ", "\nGPUs  ", "\nnetwork  ", "\nRDMA  ", "\nshared memory  "} {
		require.Contains(t, r.stdout, section)
	}

	r = invoke(t, "doctor", "--json")
	require.Zero(t, r.status, r.stderr)
	var found doctor.Report
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &found), r.stdout)
	require.NotEmpty(t, found.Kernels.Supported)

	file := filepath.Join(t.TempDir(), "found.json")
	r = invoke(t, "doctor", "--json", file)
	require.Zero(t, r.status, r.stderr)
	require.Contains(t, r.stdout, "\nkernels  ")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &found))

	r = invoke(t, "doctor", "now")
	require.Equal(t, statusUsage, r.status)
}
