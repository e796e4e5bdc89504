//go:build linux

package cudasim_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// work uses much of the driver once, and gives back everything.
func (b *bed) work() (err error) {
	ctx, err := b.driver.Primary(1)
	if err != nil {
		return err
	}
	var undo []func() error
	undo = append(undo, ctx.Release)
	defer func() {
		for i := len(undo) - 1; i >= 0; i-- {
			if e := undo[i](); err == nil {
				err = e
			}
		}
	}()
	s, err := ctx.NewStream(cudaffi.PriorityHighest)
	if err != nil {
		return err
	}
	undo = append(undo, s.Destroy)
	e, err := ctx.NewEvent()
	if err != nil {
		return err
	}
	undo = append(undo, e.Destroy)
	p, err := ctx.Alloc(64)
	if err != nil {
		return err
	}
	undo = append(undo, func() error { return ctx.Free(p) })
	pin, err := ctx.AllocPinned(64)
	if err != nil {
		return err
	}
	undo = append(undo, pin.Free)
	m, err := ctx.Load([]byte(cudasim.Kernels))
	if err != nil {
		return err
	}
	undo = append(undo, m.Unload)
	add, err := m.Function("monel_sim_add")
	if err != nil {
		return err
	}
	if err := ctx.Memset(p, 0, 64, s); err != nil {
		return err
	}
	if err := b.add(add, s, p, p, 3, 16); err != nil {
		return err
	}
	if err := ctx.Copy(pin.Device(), p, 64, s); err != nil {
		return err
	}
	if err := e.Record(s); err != nil {
		return err
	}
	return e.Sync()
}

func TestNothingLeaks(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.work())
	require.Equal(t, cudasim.Live{Retained: 1, Contexts: 1}, b.sim.Live())
	require.Contains(t, b.sim.Leaks(), "the primary context of device 0, retained 1 times")
	require.NoError(t, b.ctx.Release())
	require.Empty(t, b.sim.Leaks())
	require.Equal(t, cudasim.Live{}, b.sim.Live())
}

func TestLeaksAreListed(t *testing.T) {
	b := newBed(t)
	b.stream()
	b.kernel("monel_sim_add")
	b.alloc(10)
	b.pinned(20)
	_, err := b.ctx.NewEvent()
	require.NoError(t, err)
	live := b.sim.Live()
	require.Equal(t, cudasim.Live{Retained: 1, Contexts: 1, Streams: 1, Events: 1, Modules: 1, Functions: 5,
		Device: 1, DeviceBytes: 10, Pinned: 1, PinnedBytes: 20}, live)
	leaks := b.sim.Leaks()
	for _, leak := range []string{"a stream of device 0", "an event of device 0", "a module of device 0", "device memory of 10 bytes", "pinned memory of 20 bytes"} {
		require.Contains(t, leaks, strings.Replace(leak, "an ", "a ", 1))
	}
	// The context takes them with it, which does not mean that they were released.
	require.NoError(t, b.ctx.Release())
	leaks = b.sim.Leaks()
	for _, leak := range []string{"1 of kind stream", "1 of kind event", "1 of kind module", "2 pieces of memory"} {
		require.Contains(t, leaks, "released only with their context: "+leak)
	}
}

// A thread that keeps a context is seen.
func TestPushedContexts(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.ctx.Do(func() error {
		require.Equal(t, 1, b.sim.Live().Pushed)
		return nil
	}))
	require.Zero(t, b.sim.Live().Pushed)
}

func TestCallsAreCounted(t *testing.T) {
	b := newBed(t)
	before := b.sim.Count("")
	for range 3 {
		require.NoError(t, b.ctx.Free(b.alloc(10)))
	}
	calls := b.sim.Calls()
	require.Equal(t, 3, calls["cuMemAlloc"])
	require.Equal(t, 3, b.sim.Count("cuMemFree"))
	require.Equal(t, 3, b.sim.Count("cuMemFree_v2"))
	require.Greater(t, b.sim.Count(""), before+6)
	require.NotContains(t, calls, "cuLaunchKernel")
}

// Every call of the work fails in its turn: an error comes out, and nothing is
// left behind.
func TestEveryCallFails(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.work())
	live := b.sim.Live()
	failed := 0
	for n := 1; ; n++ {
		b.sim.FailNth(n, cudasim.Unknown)
		err := b.work()
		if b.sim.Armed() > 0 {
			require.NoError(t, err)
			break
		}
		if err != nil {
			failed++
			var e *cudaffi.Error
			require.ErrorAs(t, err, &e, "call %d", n)
			require.Equal(t, "CUDA_ERROR_UNKNOWN", e.Name, "call %d", n)
		}
		now := b.sim.Live()
		now.Pushed = live.Pushed // a push may be undone in vain
		require.Equal(t, live, now, "call %d: %s", n, b.sim.Leaks())
	}
	require.Greater(t, failed, 40)
}

func TestOneFunctionFails(t *testing.T) {
	b := newBed(t)
	b.sim.FailCall("cuMemAlloc", 2, cudasim.OutOfMemory)
	p := b.alloc(10)
	_, err := b.ctx.Alloc(10)
	require.ErrorIs(t, err, cudaffi.ErrOutOfMemory)
	b.alloc(10)
	require.Zero(t, b.sim.Armed())

	b.sim.FailCall("cuMemFree", 1, cudasim.Unknown)
	require.Error(t, b.ctx.Free(p))
	require.Equal(t, 1, b.sim.Live().Device, "it was freed nevertheless")

	b.sim.FailCall("cuNothing", 1, cudasim.Unknown)
	b.expectFault("cuNothing")
}

func TestKernelsFail(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	poke, add := b.kernel("monel_sim_poke"), b.kernel("monel_sim_add")
	p := b.alloc(4)
	require.NoError(t, b.sim.Write(uint64(p), []byte{0, 0, 0, 0}))
	b.sim.FailKernel("monel_sim_add", 2, cudasim.LaunchFailed)
	for range 3 {
		require.NoError(t, b.poke(poke, s, p, 3, 1))
	}
	require.NoError(t, b.add(add, s, p, p, 1, 1))
	require.NoError(t, s.Sync())
	require.NoError(t, b.add(add, s, p, p, 1, 1))
	err := s.Sync()
	require.ErrorIs(t, err, cudaffi.ErrSticky)
	require.ErrorContains(t, err, "CUDA_ERROR_LAUNCH_FAILED")
	require.Equal(t, []uint32{0x01000001}, b.words(p, 1))
}

// Every operation of the work fails in its turn, which the context does not
// survive.
func TestEveryOperationFails(t *testing.T) {
	b := newBed(t)
	for n := 1; ; n++ {
		b.sim.FailWork(n, cudasim.ECCUncorrectable)
		err := b.work()
		if b.sim.Armed() > 0 {
			require.NoError(t, err)
			require.Equal(t, 4, n, "a fill, a kernel, a copy")
			return
		}
		require.ErrorIs(t, err, cudaffi.ErrSticky, "operation %d", n)
		require.ErrorContains(t, err, "CUDA_ERROR_ECC_UNCORRECTABLE")
		require.Equal(t, cudasim.Live{Retained: 1, Contexts: 1}, b.sim.Live())
	}
}
