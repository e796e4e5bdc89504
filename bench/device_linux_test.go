//go:build (amd64 || arm64) && !nocuda

package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/layouts"
	"github.com/monel-dev/monel/bench/internal/report"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// onGPUs runs the command where there are two simulated GPUs.
func onGPUs(t *testing.T, args ...string) result {
	t.Helper()
	return invokeWith(t, cudasim.Environment(cudasim.Library(t), cudasim.Devices(2)), args...)
}

func TestTensorsOnGPUs(t *testing.T) {
	for _, collective := range []string{"all_reduce", "broadcast"} {
		for _, layout := range []layouts.Name{layouts.Contiguous, layouts.Transpose, layouts.Mixed} {
			t.Run(collective+"/"+string(layout), func(t *testing.T) {
				r := onGPUs(t, quick(collective, "-np", "3", "-b", "8", "-e", "512K", "-f", "64", "--device", "cuda", "--layout", string(layout), "--json", "-")...)
				require.Zero(t, r.status, r.stderr)
				all := records(t, r.stdout)
				require.Len(t, all, 6)
				for _, rec := range all {
					require.Equal(t, "cuda", rec.Device)
					require.Zero(t, *rec.Wrong)
					require.Equal(t, string(layout), rec.Layout)
				}
				require.Regexp(t, `Rank  0 .* device  0 \[.*\] .*\n.*Rank  1 .* device  1 \[.*\] .*\n.*Rank  2 .* device  0 \[`, r.stderr)
			})
		}
	}
}

// TestEveryCollectiveOnGPUs is those that the test above leaves out.
func TestEveryCollectiveOnGPUs(t *testing.T) {
	for _, collective := range cli.Collectives() {
		if collective == cli.AllReduce || collective == cli.Broadcast {
			continue
		}
		t.Run(string(collective), func(t *testing.T) {
			r := onGPUs(t, quick(string(collective), "-np", "2", "-b", "8", "-e", "2M", "-f", "512", "--device", "cuda", "--layout", "mixed", "--json", "-")...)
			require.Zero(t, r.status, r.stderr)
			all := records(t, r.stdout)
			require.NotEmpty(t, all)
			for _, rec := range all {
				require.Equal(t, "cuda", rec.Device)
				require.Zero(t, *rec.Wrong)
			}
		})
	}
}

func TestGPUBesideHostMemory(t *testing.T) {
	r := onGPUs(t, quick("ratio", "all_reduce", "-np", "2", "-b", "64K", "-e", "64K", "--rounds", "2", "--device", "cuda", "--vs", "--device cpu", "--json", "-")...)
	require.Zero(t, r.status, r.stderr)
	all := records(t, r.stdout)
	require.Len(t, all, 2)
	require.Equal(t, "cuda", all[0].Device)
	require.Equal(t, "cpu", all[1].Device)
	require.Contains(t, r.stderr, "-o sum --device cuda --transport auto")
}

func TestNoGPU(t *testing.T) {
	none := []string{"MONEL_CUDA_LIBRARY=" + filepath.Join(t.TempDir(), "libcuda.so.1")}
	r := invokeWith(t, none, quick("all_reduce", "-np", "2", "-b", "8", "-e", "8", "--device", "cuda")...)
	require.Equal(t, statusWrong, r.status)
	require.Contains(t, r.stderr, "--device cuda: cudaffi: no CUDA driver")
	require.Contains(t, r.stderr, "NVIDIA Container Toolkit")
}

func TestDoctorSeesGPUs(t *testing.T) {
	r := onGPUs(t, "doctor")
	require.Zero(t, r.status, r.stderr)
	require.Regexp(t, `\nGPUs +2 GPUs, driver .*libcuda.so.1 for CUDA [0-9.]+\n +0: .*, compute capability 9.0, .*\n +1: `, r.stdout)

	old := cudasim.Environment(cudasim.Library(t), cudasim.Devices(1), cudasim.Capability(7, 0))
	r = invokeWith(t, old, "doctor")
	require.Zero(t, r.status, r.stderr)
	require.Contains(t, r.stdout, "has compute capability 7.0")
}

func TestCUDAKernels(t *testing.T) {
	args := []string{"cuda-kernels", "-d", "float,half", "--bytes", "64K", "--check", "32K", "--chunk", "16K", "--rounds", "1", "--time", "1us", "--filter", "(pack|reduce_out).*/(transpose|slice)/", "--json", "-"}
	r := onGPUs(t, args...)
	require.Zero(t, r.status, r.stderr)
	all := kernelRecords(t, r.stdout)
	require.Len(t, all, 2*(2*3+2*3+2*3))
	places := map[string]int{}
	for _, rec := range all {
		require.Zero(t, rec.Wrong)
		require.Positive(t, rec.Rate)
		require.Positive(t, rec.Ratios["copy"])
		places[rec.Slots]++
	}
	require.Equal(t, map[string]int{"device": 12, "pinned": 24}, places)
	require.Contains(t, r.stderr, "across the bus in one direction")

	r = onGPUs(t, append(args, "--gpu", "2")...)
	require.Equal(t, statusWrong, r.status)
	require.Contains(t, r.stderr, "--gpu 2: there are 2")

	r = invokeWith(t, []string{"MONEL_CUDA_LIBRARY=" + filepath.Join(t.TempDir(), "libcuda.so.1")}, args...)
	require.Equal(t, statusWrong, r.status)
	require.Contains(t, r.stderr, "no CUDA driver")
}

func kernelRecords(t *testing.T, text string) []report.KernelRecord {
	t.Helper()
	var all []report.KernelRecord
	for line := range strings.Lines(text) {
		var r report.KernelRecord
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
		all = append(all, r)
	}
	return all
}
