//go:build (amd64 || arm64) && !nocuda

package cudaffi_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// open is the simulated driver and a device of it.
func open(t *testing.T, options ...cudasim.Option) (*cudasim.Sim, *rig) {
	t.Helper()
	sim := cudasim.Load(t, options...)
	d, err := cudaffi.Open(sim.Path())
	require.NoError(t, err)
	return sim, newRig(t, d)
}

// released frees what a call made if it made something.
func released[T any](made T, err error, release func(T) error) error {
	if err != nil {
		return err
	}
	return release(made)
}

// Whichever call fails, the error names it, nothing is left behind, and the
// next attempt succeeds.
func TestEveryCallThatFailsIsReported(t *testing.T) {
	sim, r := open(t)
	ctx, s, e, k := r.ctx, r.stream(), r.event(), r.add()
	p, host := r.words(1, 2), r.pinned(4096)
	fn := k.fn
	timers := [2]cudaffi.Event{}
	for i := range timers {
		var err error
		timers[i], err = ctx.NewTimer()
		require.NoError(t, err)
		r.finally(timers[i].Destroy)
		require.NoError(t, timers[i].Record(s))
	}
	require.NoError(t, s.Sync())
	unloaded := func() error {
		m, err := ctx.Load(ptx)
		return released(m, err, (*cudaffi.Module).Unload)
	}
	allocated := func() error { q, err := ctx.Alloc(64); return released(q, err, ctx.Free) }
	pinned := func() error { q, err := ctx.AllocPinned(64); return released(q, err, (*cudaffi.Pinned).Free) }
	registered := func() error {
		q, err := ctx.Register(page(t))
		return released(q, err, (*cudaffi.Pinned).Free)
	}
	primary := func() error { c, err := r.driver.Primary(1); return released(c, err, (*cudaffi.Context).Release) }
	stream := func() error {
		s, err := ctx.NewStream(cudaffi.PriorityHighest)
		return released(s, err, cudaffi.Stream.Destroy)
	}
	event := func() error { e, err := ctx.NewEvent(); return released(e, err, cudaffi.Event.Destroy) }
	do := func() error { return ctx.Do(func() error { return nil }) }
	device := func() error { _, err := r.driver.Device(1); return err }
	function := func() error {
		m, err := ctx.Load(ptx)
		require.NoError(t, err)
		_, err = m.Function("monel_sim_nap")
		require.NoError(t, m.Unload())
		return err
	}
	reopened := func() error { _, err := cudaffi.Open(sim.Path()); return err }
	export := func() error { _, err := ctx.ExportMemory(p); return err }
	for _, test := range []struct {
		call string
		do   func() error
	}{
		{"cuDriverGetVersion", reopened}, {"cuInit", reopened}, {"cuDeviceGetCount", reopened},
		{"cuDeviceGet", device}, {"cuDeviceGetName", device}, {"cuDeviceTotalMem", device},
		{"cuDeviceGetPCIBusId", device}, {"cuDeviceGetUuid", device}, {"cuDeviceGetAttribute", device},
		{"cuDevicePrimaryCtxRetain", primary}, {"cuDevicePrimaryCtxRelease", primary},
		{"cuCtxGetCurrent", do}, {"cuCtxPushCurrent", do}, {"cuCtxPopCurrent", do}, {"cuThreadExchangeStreamCaptureMode", do},
		{"cuCtxSynchronize", ctx.Synchronize},
		{"cuMemAlloc", allocated}, {"cuMemFree", allocated},
		{"cuMemGetAddressRange", func() error { _, _, err := ctx.Range(p); return err }},
		{"cuMemHostAlloc", pinned}, {"cuMemFreeHost", pinned}, {"cuMemHostGetDevicePointer", pinned},
		{"cuMemHostRegister", registered}, {"cuMemHostUnregister", registered}, {"cuMemHostGetDevicePointer", registered},
		{"cuMemcpyAsync", func() error { return ctx.Copy(p, host.Device(), 8, s) }},
		{"cuMemcpyHtoD", func() error { return ctx.CopyFromHost(p, make([]byte, 8)) }},
		{"cuMemcpyDtoH", func() error { return ctx.CopyToHost(make([]byte, 8), p) }},
		{"cuMemsetD8Async", func() error { return ctx.Memset(p, 0, 8, s) }},
		{"cuPointerGetAttributes", func() error { _, err := r.driver.Pointer(p); return err }},
		{"cuCtxGetStreamPriorityRange", stream}, {"cuStreamCreateWithPriority", stream}, {"cuStreamDestroy", stream},
		{"cuStreamQuery", func() error { _, err := s.Query(); return err }},
		{"cuStreamSynchronize", s.Sync},
		{"cuStreamWaitEvent", func() error { return s.Wait(e) }},
		{"cuStreamIsCapturing", func() error { _, err := s.Capturing(); return err }},
		{"cuStreamGetPriority", func() error { _, err := s.Priority(); return err }},
		{"cuStreamWriteValue32", func() error { return s.Write32(host.Device(), 1) }},
		{"cuStreamWaitValue32", func() error { return s.Wait32(host.Device(), 1) }},
		{"cuEventCreate", event}, {"cuEventDestroy", event},
		{"cuEventRecord", func() error { return e.Record(s) }},
		{"cuEventQuery", func() error { _, err := e.Query(); return err }},
		{"cuEventSynchronize", e.Sync},
		{"cuEventElapsedTime", func() error { _, err := cudaffi.Elapsed(timers[0], timers[1]); return err }},
		{"cuModuleLoadDataEx", unloaded}, {"cuModuleUnload", unloaded},
		{"cuModuleGetFunction", function}, {"cuFuncLoad", function},
		{"cuFuncGetAttribute", func() error { _, err := fn.Attribute(cudaffi.FunctionRegisters); return err }},
		{"cuLaunchKernel", func() error { return k.launch(s, p, p, 0, 2) }},
		{"cuIpcGetMemHandle", export},
		{"cuMemGetHandleForAddressRange", func() error { fd, err := ctx.DMABuf(p&^4095, 4096); return released(fd, err, unix.Close) }},
	} {
		t.Run(test.call, func(t *testing.T) {
			for _, result := range []int{cudasim.OutOfMemory, cudasim.Unknown} {
				sim.FailCall(test.call, 1, result)
				err := test.do()
				require.Zero(t, sim.Armed())
				require.Equal(t, cudaffi.Result(result), failed(t, err, test.call).Code)
			}
			require.NoError(t, test.do())
			require.NoError(t, s.Sync())
			require.Zero(t, sim.Live().Pushed)
		})
	}
}

// page is a page of memory that can be registered.
func page(t *testing.T) []byte {
	b := make([]byte, 1<<13)
	skip := -int(uintptr(unsafe.Pointer(&b[0]))) & 4095
	return b[skip : skip+4096]
}

// What a call makes in several steps is undone where a later one fails.
func TestHalfMadeThingsAreReleased(t *testing.T) {
	sim, r := open(t)
	sim.FailCall("cuMemHostGetDevicePointer", 1, cudasim.Unknown)
	_, err := r.ctx.AllocPinned(4096)
	failed(t, err, "cuMemHostGetDevicePointer")
	sim.FailCall("cuMemHostGetDevicePointer", 1, cudasim.Unknown)
	_, err = r.ctx.Register(page(t))
	failed(t, err, "cuMemHostGetDevicePointer")
	live := sim.Live()
	require.Zero(t, live.Pinned)
	require.Zero(t, live.Registered)
}

// A kernel that fails is reported by whatever comes next, again and again.
func TestAKernelThatFailsLosesTheContext(t *testing.T) {
	sim, r := open(t)
	ctx, err := r.driver.Primary(1)
	require.NoError(t, err)
	s, err := ctx.NewStream(cudaffi.PriorityDefault)
	require.NoError(t, err)
	m, err := ctx.Load(ptx)
	require.NoError(t, err)
	fn, err := m.Function("monel_sim_nap")
	require.NoError(t, err)
	sim.FailKernel("", 1, cudasim.ECCUncorrectable)
	require.NoError(t, fn.Launch(s, [3]uint32{1, 1, 1}, [3]uint32{1, 1, 1}, 0, unsafe.Pointer(new(uint64))))
	require.ErrorIs(t, s.Sync(), cudaffi.ErrSticky)
	_, err = ctx.Alloc(1)
	require.ErrorIs(t, err, cudaffi.ErrSticky)
	require.ErrorIs(t, s.Destroy(), cudaffi.ErrSticky)
	require.ErrorIs(t, m.Unload(), cudaffi.ErrSticky)
	_ = ctx.Release()
	r.words(1) // the other device's context is as it was
	require.Zero(t, sim.Live().Pushed)
}

// Work that starts late, in another order each time, gives the same results.
func TestSimulatedDriverWithDelays(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	sim := cudasim.Load(t, cudasim.Delays(seed, 200*time.Microsecond))
	d, err := cudaffi.Open(sim.Path())
	require.NoError(t, err)
	for name, test := range map[string]func(*rig){
		"copies": testCopies, "streams": testStreams, "events": testEvents, "values": testValues, "concurrency": testConcurrency,
		"timers": testTimers, "memory": testMemory,
	} {
		t.Run(name, func(t *testing.T) { test(newRig(t, d)) })
	}
	require.Empty(t, sim.Leaks())
}

func TestOpenOfDriversThatWillNotDo(t *testing.T) {
	sim := cudasim.Load(t)
	require.NoError(t, sim.Set(cudasim.Version(11030)))
	_, err := cudaffi.Open(sim.Path())
	require.ErrorIs(t, err, cudaffi.ErrOldDriver)
	require.NotErrorIs(t, err, cudaffi.ErrNoCUDA)
	require.ErrorContains(t, err, "it supports CUDA 11.3, and 11.4 is needed: install NVIDIA's driver 470 or newer")

	require.NoError(t, sim.Set(cudasim.Version(12080), cudasim.Devices(0)))
	_, err = cudaffi.Open(sim.Path())
	require.ErrorIs(t, err, cudaffi.ErrNoDevice)
	require.ErrorContains(t, err, "CUDA_VISIBLE_DEVICES")

	require.NoError(t, sim.Set(cudasim.Devices(8)))
	d, err := cudaffi.Open(sim.Path())
	require.NoError(t, err)
	require.Equal(t, 8, d.DeviceCount())
	require.Equal(t, sim.Path(), d.Path())
	require.Equal(t, 12080, d.Version())
}
