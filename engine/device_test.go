package engine_test

import (
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/engine"
)

// envGPU=1 makes the tests of devices run on the machine's GPUs instead of a
// simulated driver.
const envGPU = "MONEL_TEST_GPU"

// onDevice is a test whose tensors lie in the memory of devices: rank r's on device
// r modulo their number.
type onDevice struct {
	testing.TB
	driver *cudaffi.Driver
	sim    *cudasim.Sim // nil on real GPUs
	ctx    []*cudaffi.Context
	mixed  bool // only every other rank's, rank 0's for one
	rank   int
}

// onDevices makes tensors that t places lie on devices.
func onDevices(t testing.TB, options ...cudasim.Option) *onDevice {
	t.Helper()
	d := &onDevice{TB: t}
	if os.Getenv(envGPU) == "1" {
		d.driver = realDriver(t)
	} else {
		seed := rand.Uint64()
		t.Logf("seed of delays %d", seed)
		options = append([]cudasim.Option{cudasim.Delays(seed, 30*time.Microsecond)}, options...)
		d.sim = cudasim.Load(t, options...)
		var err error
		d.driver, err = cudaffi.Open(d.sim.Path())
		require.NoError(t, err)
		t.Cleanup(func() { require.Empty(t, d.sim.Leaks()) })
	}
	for ordinal := range d.driver.DeviceCount() {
		ctx, err := d.driver.Primary(ordinal)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, ctx.Release()) })
		d.ctx = append(d.ctx, ctx)
	}
	return d
}

// realDriver is the machine's. The contexts of its GPUs are kept until the process
// ends: to make one takes most of a second.
func realDriver(t testing.TB) *cudaffi.Driver {
	driver, err := cudaffi.Default()
	require.NoError(t, err)
	keepContexts.Do(func() {
		for ordinal := range driver.DeviceCount() {
			_, err := driver.Primary(ordinal)
			require.NoError(t, err)
		}
	})
	return driver
}

var keepContexts sync.Once

// apart skips a test whose ranks must not share a device: calls of the driver in one
// context may wait for each other, and for what is on the device.
func (d *onDevice) apart() {
	d.Helper()
	if len(d.ctx) < 2 {
		d.Skip("the machine has one GPU, and the ranks of this test need one each")
	}
}

// simulated is onDevices for tests that only the simulated driver can do.
func simulated(t testing.TB, options ...cudasim.Option) *onDevice {
	t.Helper()
	if os.Getenv(envGPU) == "1" {
		t.Skip("this needs a driver that fails when it is told to; the machine's GPUs are in use")
	}
	return onDevices(t, options...)
}

// config is for communicators of the test.
func (d *onDevice) config() engine.Config { return engine.Config{CUDA: d.driver} }

// forRank is t for what a rank places.
func forRank(t testing.TB, rank int) testing.TB {
	if d, ok := t.(*onDevice); ok {
		own := *d
		own.rank = rank
		return &own
	}
	return t
}

// deviceCopy is memory of a device that holds a copy of some of the host's.
type deviceCopy struct {
	t   testing.TB
	ctx *cudaffi.Context
	at  cudaffi.DevicePtr
	one sync.Once
	// later: it is freed when the test ends.
	later bool
}

// copyToDevice allocates memory of the device on which t's tensors lie, if they do.
func copyToDevice(t testing.TB, from []byte) *deviceCopy {
	d, ok := t.(*onDevice)
	if !ok || d.mixed && d.rank%2 == 1 {
		return nil
	}
	c := &deviceCopy{t: t, ctx: d.ctx[d.rank%len(d.ctx)]}
	var err error
	c.at, err = c.ctx.Alloc(int64(len(from)))
	if err != nil {
		t.Errorf("allocating: %v", err)
		return nil
	}
	c.later = d.sim == nil
	t.Cleanup(c.release)
	c.write(from)
	return c
}

// write makes the device's memory a copy of from again.
func (c *deviceCopy) write(from []byte) {
	if c != nil {
		c.must(c.ctx.CopyFromHost(c.at, from))
	}
}

// read makes to a copy of the device's memory.
func (c *deviceCopy) read(to []byte) {
	if c != nil {
		c.must(c.ctx.CopyToHost(to, c.at))
	}
}

// free frees the memory, or leaves that to the end of the test: the driver waits for
// all that is on the device, on which another rank may wait for this one.
func (c *deviceCopy) free() {
	if c != nil && !c.later {
		c.release()
	}
}

func (c *deviceCopy) release() { c.one.Do(func() { c.must(c.ctx.Free(c.at)) }) }

func (c *deviceCopy) must(err error) {
	if err != nil {
		c.t.Errorf("test's own call of the driver: %v", err)
	}
}
