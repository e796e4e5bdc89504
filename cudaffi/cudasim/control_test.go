//go:build linux

package cudasim_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
	"github.com/monel-dev/monel/cudaffi/kernels"
	"github.com/monel-dev/monel/strided/dtype"
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

// A kernel may run for as long as it takes the host to do something; it ends if
// its context does.
func TestKernelsThatWaitForTheHost(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(b *bed, word *cudaffi.Pinned)
		is   error
	}{
		{"the host writes", func(b *bed, word *cudaffi.Pinned) {
			atomic.StoreUint32((*uint32)(unsafe.Pointer(&word.Bytes()[0])), 1)
		}, nil},
		{"another kernel writes", func(b *bed, word *cudaffi.Pinned) {
			require.NoError(b, b.stream().Write32(word.Device(), 1))
		}, nil},
		{"the device is lost", func(b *bed, _ *cudaffi.Pinned) { b.sim.Lose(0, cudasim.ECCUncorrectable) }, cudaffi.ErrSticky},
		{"another device is lost", func(b *bed, word *cudaffi.Pinned) {
			second, err := b.driver.Primary(1)
			require.NoError(b, err)
			b.sim.Lose(1, cudasim.ECCUncorrectable)
			require.ErrorIs(b, second.Synchronize(), cudaffi.ErrSticky)
			require.NoError(b, b.sim.Write(uint64(word.Device()), []byte{1, 0, 0, 0}))
		}, nil},
		{"another kernel fails", func(b *bed, _ *cudaffi.Pinned) {
			b.sim.FailKernel("monel_sim_poke", 1, cudasim.IllegalAddress)
			require.NoError(b, b.poke(b.pokes, b.stream(), 0, 0, 0))
		}, cudaffi.ErrIllegalAddress},
		{"nobody does anything", func(b *bed, _ *cudaffi.Pinned) {
			_, err := b.ctx.Alloc(10)
			require.ErrorContains(b, err, "CUDA_ERROR_LAUNCH_TIMEOUT")
			b.expectFault("cuMemAlloc", "it would hang")
		}, cudaffi.ErrSticky},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBed(t, cudasim.Patience(100*time.Millisecond))
			word := b.pinned(4)
			clear(word.Bytes())
			spin, s := b.kernel("monel_sim_spin"), b.stream()
			b.pokes = b.kernel("monel_sim_poke")
			at, value := word.Device(), uint32(1)
			require.NoError(t, spin.Launch(s, one, one, 0, unsafe.Pointer(&at), unsafe.Pointer(&value)))
			time.Sleep(2 * time.Millisecond)
			require.False(t, done(t, s))
			test.end(b, word)
			if test.is == nil {
				require.NoError(t, s.Sync())
			} else {
				require.ErrorIs(t, s.Sync(), test.is)
			}
			// Or the reset ends it.
			if test.is == nil {
				clear(word.Bytes())
				require.NoError(t, spin.Launch(s, one, one, 0, unsafe.Pointer(&at), unsafe.Pointer(&value)))
			}
		})
	}
}

// After a reset the driver is as new, though the program did not open it again.
func TestReset(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	b.held(s)
	b.sim.FailCall("cuMemAlloc", 1, cudasim.OutOfMemory)
	require.NoError(t, b.sim.Reset())
	require.Equal(t, cudasim.Live{}, b.sim.Live())
	require.Empty(t, b.sim.Calls())
	require.Zero(t, b.sim.Armed())
	require.Error(t, s.Sync())
	b.sim.Faults()
	require.NoError(t, b.work())
	require.Empty(t, b.sim.Leaks())
	require.Error(t, b.sim.Set(cudasim.Devices(9)))
}

// A goroutine that a test left behind in a call harms nobody.
func TestResetUnderACall(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	b.held(s)
	back := make(chan error)
	go func() { back <- s.Sync() }()
	for b.sim.Count("cuStreamSynchronize") == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(2 * time.Millisecond)
	require.NoError(t, b.sim.Reset())
	<-back
	b.sim.Faults()
	require.NoError(t, b.work())
}

func TestFaultsFailTheTest(t *testing.T) {
	library := cudasim.Library(t)
	fake := &recorder{TB: t}
	sim := cudasim.Load(fake)
	require.Equal(t, library, sim.Path())
	other := &recorder{TB: t}
	func() {
		defer func() { recover() }()
		cudasim.Load(other)
	}()
	require.Contains(t, other.said, "has the simulated driver")
	sim.FailCall("cuNothing", 1, cudasim.Unknown)
	fake.end()
	require.Contains(t, fake.said, "cuNothing")
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	said     string
	cleanups []func()
}

func (r *recorder) Cleanup(f func())                  { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) { r.said += fmt.Sprintf(format, args...) }
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); panic(r) }
func (r *recorder) end() {
	for _, f := range r.cleanups {
		f()
	}
}

// countDevices prints how many GPUs there are.
func countDevices(string) error {
	driver, _, err := open()
	if err != nil {
		return err
	}
	fmt.Println(driver.DeviceCount(), driver.Version())
	return nil
}

func TestEnvironmentReachesOtherProcesses(t *testing.T) {
	library := cudasim.Library(t)
	out, err := child(t, library, "count", "", cudasim.Devices(7), cudasim.Version(12030))
	require.NoError(t, err, out)
	require.Equal(t, "7 12030\n", out)
	out, err = child(t, library, "count", "", cudasim.Devices(0))
	require.Error(t, err)
	require.Contains(t, out, "CUDA_ERROR_NO_DEVICE")
}

func TestOlderDrivers(t *testing.T) {
	for _, test := range []struct {
		version int
		fails   error
		values  bool
	}{
		{11030, cudaffi.ErrOldDriver, false},
		{11040, nil, true},
		{12080, nil, true},
	} {
		t.Run(fmt.Sprint(test.version), func(t *testing.T) {
			sim := cudasim.Load(t, cudasim.Version(test.version))
			driver, err := cudaffi.Open(sim.Path())
			if test.fails != nil {
				require.ErrorIs(t, err, test.fails)
				return
			}
			require.NoError(t, err)
			ctx, err := driver.Primary(0)
			require.NoError(t, err)
			require.Equal(t, test.values, ctx.HasStreamValues())
			s, err := ctx.NewStream(cudaffi.PriorityDefault)
			require.NoError(t, err)
			p, err := ctx.Alloc(4)
			require.NoError(t, err)
			require.NoError(t, s.Write32(p, 1))
			require.NoError(t, s.Wait32(p, 1))
			require.NoError(t, s.Sync())
			b := &bed{T: t, sim: sim, driver: driver, ctx: ctx}
			require.NoError(t, b.work())
		})
	}
}

func TestModules(t *testing.T) {
	b := newBed(t, cudasim.Capability(8, 0))
	for _, test := range []struct {
		name, ptx string
		fails     error
		says      string
	}{
		{"not PTX", "hello", cudaffi.ErrInvalidPTX, "Missing .version directive"},
		{"for newer GPUs", ".version 7.0\n.target sm_90\n", nil, "sm_90"},
		{"newer than the driver", ".version 9.9\n.target sm_75\n", cudaffi.ErrOldDriver, "Unsupported .version 9.9"},
		{"no end", ".version 7.0\n.target sm_75\n.entry monel_sim_nap(.param .u64 us) { ret;", cudaffi.ErrInvalidPTX, "line 3"},
		{"without parameters' types", ".version 7.0\n.target sm_75\n.entry monel_sim_nap(.param us) { ret; }", cudaffi.ErrInvalidPTX, "monel_sim_nap"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := b.ctx.Load([]byte(test.ptx))
			require.Error(t, err)
			require.ErrorContains(t, err, test.says)
			if test.fails != nil {
				require.ErrorIs(t, err, test.fails)
			}
		})
	}
	_, err := b.ctx.Load([]byte(".version 7.0\n.target sm_75\n.entry unheard_of() { ret; }"))
	require.ErrorIs(t, err, cudaffi.ErrInvalidPTX)
	b.expectFault("unheard_of", "has not been compiled for the host")
	m, err := b.ctx.Load([]byte(cudasim.Kernels))
	require.NoError(t, err)
	_, err = m.Function("monel_sim_none")
	require.ErrorIs(t, err, cudaffi.ErrNotFound)
	f, err := m.Function("monel_sim_add")
	require.NoError(t, err)
	threads, err := f.Attribute(cudaffi.FunctionMaxThreads)
	require.NoError(t, err)
	require.Equal(t, 1024, threads)
	require.NoError(t, m.Unload())
	require.Error(t, b.add(f, b.stream(), 0, 0, 0, 0))
	b.expectFault("function that has been destroyed")
}

func TestLaunchesOfTheWrongShape(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	f := b.kernel("monel_sim_nap")
	us := uint64(0)
	for _, shape := range [][2][3]uint32{
		{{0, 1, 1}, {1, 1, 1}},
		{{1, 1 << 16, 1}, {1, 1, 1}},
		{{1, 1, 1}, {1025, 1, 1}},
		{{1, 1, 1}, {64, 32, 1}},
		{{1, 1, 1}, {1, 1, 65}},
	} {
		require.ErrorIs(t, f.Launch(s, shape[0], shape[1], 0, unsafe.Pointer(&us)), cudaffi.ErrInvalidValue, "%v", shape)
	}
	require.ErrorIs(t, f.Launch(s, one, one, 49<<10, unsafe.Pointer(&us)), cudaffi.ErrInvalidValue)
	require.NoError(t, f.Launch(s, one, [3]uint32{32, 32, 1}, 48<<10, unsafe.Pointer(&us)))
	require.NoError(t, s.Sync())
}

func TestStreamOfAnotherContext(t *testing.T) {
	b := newBed(t)
	second, err := b.driver.Primary(1)
	require.NoError(t, err)
	s, err := second.NewStream(cudaffi.PriorityDefault)
	require.NoError(t, err)
	us := uint64(0)
	require.ErrorIs(t, b.kernel("monel_sim_nap").Launch(s, one, one, 0, unsafe.Pointer(&us)), cudaffi.ErrInvalidHandle)
	b.expectFault("stream", "of device 1", "context of device 0")
}

// Host functions run on the stream, in order, and may call nothing.
func TestHostFunctions(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	p := b.pinned(4)
	var saw atomic.Uint32
	callback := purego.NewCallback(func(uintptr) uintptr {
		saw.Store(*(*uint32)(unsafe.Pointer(&p.Bytes()[0])))
		_, err := b.ctx.Alloc(10)
		if err == nil {
			saw.Store(1000)
		}
		return 0
	})
	release := b.held(s)
	require.NoError(t, s.Write32(p.Device(), 7))
	require.Zero(t, b.raw("cuLaunchHostFunc", s.Handle(), callback, 0))
	require.NoError(t, s.Write32(p.Device(), 8))
	require.Zero(t, saw.Load())
	release()
	require.NoError(t, s.Sync())
	require.Equal(t, uint32(7), saw.Load())
	b.expectFault("from a host function")
}

func TestObsoleteFunctionsSaySo(t *testing.T) {
	b := newBed(t)
	var p uint64
	require.Equal(t, cudasim.InvalidValue, b.raw("cuMemAlloc", uintptr(unsafe.Pointer(&p)), 10))
	b.expectFault("the obsolete cuMemAlloc")
}

func TestLibraryIsBuiltOnce(t *testing.T) {
	library := cudasim.Library(t)
	require.Equal(t, "libcuda.so.1", filepath.Base(library))
	before, err := os.Stat(library)
	require.NoError(t, err)
	out, err := child(t, library, "count", "")
	require.NoError(t, err, out)
	after, err := os.Stat(cudasim.Library(t))
	require.NoError(t, err)
	require.Equal(t, before.ModTime(), after.ModTime())
}

// The kernels are those of the package that has them, built as it says.
func TestShippedKernels(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.ctx.Do(func() error {
		set, err := kernels.Load(b.ctx)
		if err != nil {
			return err
		}
		src, dst := b.alloc(4*12), b.alloc(4*12)
		for i := range 12 {
			require.NoError(t, b.sim.Write(uint64(src)+uint64(4*i), []byte{byte(i), 0, 0, 0}))
		}
		transposed := &kernels.View{Base: src, DType: dtype.Int32, Count: 12, Size: []int64{4, 3}, Stride: []int64{4, 16}}
		s := b.stream()
		if err := set.Pack(s, transposed, 0, 12, dst); err != nil {
			return err
		}
		if err := s.Sync(); err != nil {
			return err
		}
		require.Equal(t, []uint32{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}, b.words(dst, 12))
		return set.Unload()
	}))
	for _, flag := range kernels.HostFlags() {
		require.Contains(t, cudasim.KernelFlags, flag)
	}
}
