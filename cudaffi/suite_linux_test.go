//go:build (amd64 || arm64) && !nocuda

package cudaffi_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// testDriver is what every driver has to do, simulated or not.
func testDriver(t *testing.T, d *cudaffi.Driver) {
	for _, test := range []struct {
		name string
		run  func(r *rig)
	}{
		{"devices", testDevices},
		{"contexts", testContexts},
		{"released context", testReleasedContext},
		{"do", testDo},
		{"two devices", testTwoDevices},
		{"memory", testMemory},
		{"out of memory", testOutOfMemory},
		{"pinned", testPinned},
		{"registered", testRegistered},
		{"pointers", testPointers},
		{"buffers", testBuffers},
		{"dma-buf", testDMABuf},
		{"copies", testCopies},
		{"copies from Go memory", testGoMemory},
		{"streams", testStreams},
		{"priorities", testPriorities},
		{"events", testEvents},
		{"timers", testTimers},
		{"values", testValues},
		{"modules", testModules},
		{"launch", testLaunch},
		{"launch arguments", testLaunchArguments},
		{"capture", testCapture},
		{"calls during a capture", testCallsDuringCapture},
		{"concurrency", testConcurrency},
		{"allocations", testAllocations},
		{"example", testExample},
		{"other processes", testOtherProcesses},
		{"lost context", testLostContext},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(newRig(t, d)) })
	}
}

func TestSimulatedDriver(t *testing.T) {
	for _, test := range []struct {
		name    string
		options []cudasim.Option
	}{
		{"as usual", nil},
		{"oldest", []cudasim.Option{cudasim.Version(cudaffi.MinVersion)}},
		{"before cuFuncLoad", []cudasim.Option{cudasim.Version(12030)}},
		{"without dma-buf", []cudasim.Option{cudasim.WithoutDMABuf()}},
		{"reusing memory", []cudasim.Option{cudasim.Reuse()}},
		{"without values", []cudasim.Option{cudasim.WithoutStreamValues()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			sim := cudasim.Load(t, test.options...)
			d, err := cudaffi.Open(sim.Path())
			require.NoError(t, err)
			testDriver(t, d)
			require.Empty(t, sim.Leaks())
			require.Zero(t, sim.Live())
		})
	}
}

// The machine's own GPU is tested where MONEL_TEST_GPU asks for it.
func TestGPU(t *testing.T) {
	if os.Getenv("MONEL_TEST_GPU") == "" {
		t.Skip("MONEL_TEST_GPU is not set")
	}
	d, err := cudaffi.Default()
	require.NoError(t, err)
	testDriver(t, d)
}
