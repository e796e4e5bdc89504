//go:build linux

package cudasim_test

import (
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
