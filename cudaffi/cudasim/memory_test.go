//go:build linux

package cudasim_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// open opens the driver that the environment names, in a child process.
func open() (*cudaffi.Driver, *cudaffi.Context, error) {
	driver, err := cudaffi.Open(os.Getenv(cudaffi.LibraryVariable))
	if err != nil {
		return nil, nil, err
	}
	ctx, err := driver.Primary(0)
	return driver, ctx, err
}

func TestMemoryIsPoisoned(t *testing.T) {
	b := newBed(t)
	p := b.alloc(10000)
	got, err := b.sim.Read(uint64(p), 10000)
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat([]byte{0xff}, 10000), got)
	require.Equal(t, bytes.Repeat([]byte{0xff}, 5000), b.pinned(5000).Bytes())
	require.Zero(t, p%256)
}

func TestCopiesOfAllKinds(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	const n = 3000
	want := make([]byte, n)
	for i := range want {
		want[i] = byte(i * 7)
	}
	p, q, pin := b.alloc(n), b.alloc(n), b.pinned(n)
	require.NoError(t, b.ctx.CopyFromHost(p, want))
	require.NoError(t, b.ctx.Copy(q, p, n, s))
	require.NoError(t, b.ctx.Copy(pin.Device(), q, n, s))
	require.NoError(t, s.Sync())
	require.Equal(t, want, pin.Bytes())
	clear(pin.Bytes())
	require.NoError(t, b.ctx.Copy(q, pin.Device(), n, s))
	require.NoError(t, s.Sync())
	got := make([]byte, n)
	require.NoError(t, b.ctx.CopyToHost(got, q))
	require.Equal(t, make([]byte, n), got)
}

// Pageable memory may be used again once the call returns.
func TestPageableMemoryIsStaged(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	p := b.alloc(100)
	src := bytes.Repeat([]byte{7}, 100)
	release := b.held(s)
	require.NoError(t, b.ctx.Copy(p, cudaffi.DevicePtr(uintptr(unsafe.Pointer(&src[0]))), 100, s))
	clear(src)
	release()
	require.NoError(t, s.Sync())
	got, err := b.sim.Read(uint64(p), 100)
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat([]byte{7}, 100), got)
}

func TestRegisteredMemory(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	poke := b.kernel("monel_sim_poke")
	mem := pages(t, 2)
	r, err := b.ctx.Register(mem)
	require.NoError(t, err)
	_, err = b.ctx.Register(mem[:1])
	require.Error(t, err)
	kind, err := b.driver.Pointer(r.Device() + 5)
	require.NoError(t, err)
	require.Equal(t, cudaffi.MemoryHost, kind.Memory)
	require.NoError(t, b.poke(poke, s, r.Device(), 8191, 9))
	require.NoError(t, s.Sync())
	require.Equal(t, byte(9), mem[8191])
	require.Equal(t, 1, b.sim.Live().Registered)
	require.NoError(t, r.Free())
	require.NoError(t, b.poke(poke, s, r.Device(), 0, 1))
	require.ErrorIs(t, s.Sync(), cudaffi.ErrIllegalAddress)
	b.expectFault("neither device memory nor pinned nor registered")
}

func TestMemoryRunsOut(t *testing.T) {
	b := newBed(t, cudasim.Memory(1<<20))
	p := b.alloc(1 << 19)
	_, err := b.ctx.Alloc(1<<19 + 1)
	require.ErrorIs(t, err, cudaffi.ErrOutOfMemory)
	require.NoError(t, b.ctx.Free(p))
	b.alloc(1 << 20)
}

func TestPointers(t *testing.T) {
	b := newBed(t)
	second, err := b.driver.Primary(1)
	require.NoError(t, err)
	q, err := second.Alloc(100)
	require.NoError(t, err)
	var managed uint64
	require.Zero(t, b.raw("cuMemAllocManaged", uintptr(unsafe.Pointer(&managed)), 100, 1))
	var local byte
	for _, test := range []struct {
		name   string
		at     cudaffi.DevicePtr
		memory cudaffi.Memory
		device int
	}{
		{"device", b.alloc(100) + 99, cudaffi.MemoryDevice, 0},
		{"of another device", q, cudaffi.MemoryDevice, 1},
		{"pinned", b.pinned(10).Device(), cudaffi.MemoryHost, 0},
		{"managed", cudaffi.DevicePtr(managed), cudaffi.MemoryManaged, 0},
		{"pageable", cudaffi.DevicePtr(uintptr(unsafe.Pointer(&local))), cudaffi.MemoryUnregistered, -1},
	} {
		got, err := b.driver.Pointer(test.at)
		require.NoError(t, err, test.name)
		require.Equal(t, test.memory, got.Memory, test.name)
		require.Equal(t, test.device, got.Device, test.name)
		require.Equal(t, test.memory != cudaffi.MemoryUnregistered, got.Context != 0, test.name)
	}
}

// Allocating and freeing may wait for the device, and so does whoever does it
// while a stream waits for him.
func TestCallsThatMayWaitForTheDevice(t *testing.T) {
	for _, test := range []struct {
		name string
		call func(b *bed, freed cudaffi.DevicePtr) error
	}{
		{"cuMemAlloc", func(b *bed, _ cudaffi.DevicePtr) error { _, err := b.ctx.Alloc(1); return err }},
		{"cuMemFree", func(b *bed, p cudaffi.DevicePtr) error { return b.ctx.Free(p) }},
		{"cuMemHostAlloc", func(b *bed, _ cudaffi.DevicePtr) error { _, err := b.ctx.AllocPinned(1); return err }},
		{"cuMemHostRegister", func(b *bed, _ cudaffi.DevicePtr) error { _, err := b.ctx.Register(pages(b, 1)); return err }},
		{"cuModuleLoadDataEx", func(b *bed, _ cudaffi.DevicePtr) error { _, err := b.ctx.Load([]byte(cudasim.Kernels)); return err }},
		{"the first launch of a kernel", func(b *bed, _ cudaffi.DevicePtr) error {
			us := new(uint64)
			params := []unsafe.Pointer{unsafe.Pointer(us)}
			if b.raw("cuLaunchKernel", b.lazy, 1, 1, 1, 1, 1, 1, 0, 0, uintptr(unsafe.Pointer(&params[0])), 0) != 0 {
				return b.ctx.Synchronize() // which says why
			}
			return nil
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, strict := range []bool{true, false} {
				options := []cudasim.Option{cudasim.Patience(50 * time.Millisecond)}
				if !strict {
					options = append(options, cudasim.Lax())
				}
				t.Run(fmt.Sprintf("strict=%v", strict), func(t *testing.T) {
					b := newBed(t, options...)
					p := b.alloc(10)
					s := b.stream()
					b.lazy = b.unloaded("monel_sim_nap")
					release := b.held(s)
					err := test.call(b, p)
					if !strict {
						require.NoError(t, err)
						release()
						require.NoError(t, s.Sync())
						return
					}
					var failed *cudaffi.Error
					require.ErrorAs(t, err, &failed)
					require.Equal(t, "CUDA_ERROR_LAUNCH_TIMEOUT", failed.Name)
					b.expectFault(test.name, "it would hang")
				})
			}
		})
	}
}
