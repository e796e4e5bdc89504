//go:build linux

package cudasim_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// touchDeviceMemory reads device memory from the host, and so ends the process.
func touchDeviceMemory(string) error {
	_, ctx, err := open()
	if err != nil {
		return err
	}
	p, err := ctx.Alloc(1000)
	if err != nil {
		return err
	}
	fmt.Println("touching")
	fmt.Println(*at(uintptr(p) + 10))
	return nil
}

// at turns an address of the device into one that the host must not touch.
func at(p uintptr) *byte { return *(**byte)(unsafe.Pointer(&p)) }

// open opens the driver that the environment names, in a child process.
func open() (*cudaffi.Driver, *cudaffi.Context, error) {
	driver, err := cudaffi.Open(os.Getenv(cudaffi.LibraryVariable))
	if err != nil {
		return nil, nil, err
	}
	ctx, err := driver.Primary(0)
	return driver, ctx, err
}

func TestHostCannotTouchDeviceMemory(t *testing.T) {
	out, err := child(t, cudasim.Library(t), "touch", "")
	require.Error(t, err)
	require.Contains(t, out, "touching\n")
	require.Contains(t, out, "the host touched 0x")
	require.Contains(t, out, "byte 10 of allocation 1 (device memory of 1000 bytes, device 0)")
	require.Contains(t, out, "unexpected fault address", "the Go runtime says where it was")
	require.Contains(t, out, "touchDeviceMemory")
}

// The runtime still gets the signals that are its own.
func TestNilPointersStillPanic(t *testing.T) {
	newBed(t)
	for range 3 {
		require.Panics(t, func() {
			var p *int
			*p = 1
		})
	}
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

// Host memory that is not there is the caller's mistake in a call that copies at
// once, and the device's in one that does not.
func TestCopiesFromNowhere(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	p := b.alloc(100)
	mem, err := unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	defer unix.Munmap(mem)
	nowhere := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	require.Equal(t, cudasim.InvalidValue, b.raw("cuMemcpyHtoDAsync_v2", uintptr(p), nowhere, 100, s.Handle()))
	b.expectFault("cuMemcpyHtoDAsync: the source is not readable")
	require.NoError(t, s.Sync())
	require.Equal(t, cudasim.IllegalAddress, b.raw("cuMemcpyHtoD_v2", uintptr(p), nowhere, 100))
	b.expectFault("cuMemcpyHtoD touched", "neither device memory nor pinned nor registered")
}

func TestCopiesOutsideAnAllocationAreRefused(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	p, q := b.alloc(1000), b.alloc(1000)
	for _, test := range []struct {
		name     string
		dst, src cudaffi.DevicePtr
		n        int64
	}{
		{"beyond the end of the source", q, p + 1, 1000},
		{"beyond the end of the destination", q + 999, p, 2},
		{"before the beginning", q, p - 1, 4},
		{"nowhere", q, p + 1<<30, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.ErrorIs(t, b.ctx.Copy(test.dst, test.src, test.n, s), cudaffi.ErrInvalidValue)
			b.expectFault("cuMemcpyAsync")
		})
	}
	require.NoError(t, s.Sync())
}

func TestKernelsOutsideAnAllocation(t *testing.T) {
	for _, test := range []struct {
		name   string
		offset int64
		size   int64
		fault  string
	}{
		{"beyond the end", 1024, 1024, "0 bytes past the end of allocation"},
		{"far beyond the end", 5000, 1024, "3976 bytes past the end of allocation"},
		{"before the beginning", -4096, 1024, "kernel monel_sim_poke touched"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBed(t)
			s, other := b.stream(), b.stream()
			poke := b.kernel("monel_sim_poke")
			p := b.alloc(test.size)
			b.held(other)
			require.NoError(t, b.poke(poke, s, p, 0, 1))
			require.NoError(t, b.poke(poke, s, p, test.size-1, 1))
			require.NoError(t, s.Sync())
			require.NoError(t, b.poke(poke, s, p, test.offset, 1))
			require.ErrorIs(t, s.Sync(), cudaffi.ErrIllegalAddress)
			b.expectFault("kernel monel_sim_poke touched", test.fault)
			// The context is lost, and nothing in it waits for anything.
			require.ErrorIs(t, other.Sync(), cudaffi.ErrSticky)
			_, err := b.ctx.Alloc(10)
			require.ErrorIs(t, err, cudaffi.ErrSticky)
			require.ErrorIs(t, b.poke(poke, s, p, 0, 1), cudaffi.ErrSticky)
			// Other devices are not.
			second, err := b.driver.Primary(1)
			require.NoError(t, err)
			_, err = second.Alloc(10)
			require.NoError(t, err)
		})
	}
}

// What lies beside an allocation on its own pages cannot be guarded, but is
// looked at.
func TestWritesBesideAnAllocation(t *testing.T) {
	for _, test := range []struct {
		name   string
		offset int64
		fault  string
	}{
		{"behind it", 1000, "offset 1000"},
		{"before it", -1, "offset -1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBed(t)
			s := b.stream()
			poke := b.kernel("monel_sim_poke")
			p := b.alloc(1000)
			require.NoError(t, b.poke(poke, s, p, test.offset, 1))
			require.NoError(t, s.Sync())
			b.expectFault(test.fault, "device memory of 1000 bytes")
			require.NoError(t, b.ctx.Free(p))
			require.Empty(t, b.sim.Faults(), "told once")

			p = b.alloc(1000)
			require.NoError(t, b.poke(poke, s, p, test.offset, 1))
			require.NoError(t, b.ctx.Free(p))
			b.expectFault("cuMemFree", test.fault)
		})
	}
}

func TestKernelsAndPageableMemory(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	poke := b.kernel("monel_sim_poke")
	mem := make([]byte, 100)
	require.NoError(t, b.poke(poke, s, cudaffi.DevicePtr(uintptr(unsafe.Pointer(&mem[0]))), 0, 1))
	require.ErrorIs(t, s.Sync(), cudaffi.ErrIllegalAddress)
	require.Zero(t, mem[0])
	b.expectFault("kernel monel_sim_poke was given", "neither device memory nor pinned nor registered")
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

func TestUseAfterFree(t *testing.T) {
	b := newBed(t, cudasim.Lax())
	s := b.stream()
	poke := b.kernel("monel_sim_poke")
	p, q := b.alloc(100), b.alloc(100)
	require.NoError(t, b.ctx.Free(p))
	require.ErrorIs(t, b.ctx.Free(p), cudaffi.ErrInvalidValue)
	b.expectFault("cuMemFree of", "the freed allocation")
	require.ErrorIs(t, b.ctx.Copy(q, p, 10, s), cudaffi.ErrInvalidValue)
	b.expectFault("the freed allocation")
	pin := b.pinned(100)
	at := pin.Device()
	require.NoError(t, pin.Free())
	require.ErrorIs(t, b.ctx.Copy(at, q, 10, s), cudaffi.ErrInvalidValue)
	b.expectFault("the freed allocation", "pinned memory")

	// Freed while work is under way.
	release := b.held(s)
	require.NoError(t, b.poke(poke, s, q, 0, 1))
	require.NoError(t, b.ctx.Free(q))
	release()
	require.ErrorIs(t, s.Sync(), cudaffi.ErrIllegalAddress)
	b.expectFault("kernel monel_sim_poke was given", "the freed allocation")
}

func TestAddressesAreNotUsedAgain(t *testing.T) {
	b := newBed(t)
	seen := map[cudaffi.DevicePtr]bool{}
	for range 1000 {
		p := b.alloc(100)
		require.False(t, seen[p])
		seen[p] = true
		require.NoError(t, b.ctx.Free(p))
	}
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

func TestMemoryOfAnotherDevice(t *testing.T) {
	b := newBed(t)
	second, err := b.driver.Primary(1)
	require.NoError(t, err)
	q, err := second.Alloc(100)
	require.NoError(t, err)
	s := b.stream()
	poke := b.kernel("monel_sim_poke")
	p := b.alloc(100)
	require.NoError(t, b.ctx.Memset(p, 3, 100, s))
	require.NoError(t, b.ctx.Copy(q, p, 100, s), "copies need no peer access")
	require.NoError(t, s.Sync())
	got, err := b.sim.Read(uint64(q), 100)
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat([]byte{3}, 100), got)

	peer, err := b.driver.Pointer(q)
	require.NoError(t, err)
	require.Zero(t, b.raw("cuCtxEnablePeerAccess", peer.Context, 0))
	require.NoError(t, b.poke(poke, s, q, 0, 4))
	require.NoError(t, s.Sync())
	require.Zero(t, b.raw("cuCtxDisablePeerAccess", peer.Context))
	require.NoError(t, b.poke(poke, s, q, 0, 5))
	require.ErrorIs(t, s.Sync(), cudaffi.ErrIllegalAddress)
	b.expectFault("has no access to")
}

// importMemory adds 1 to each byte of memory that another process has exported.
func importMemory(text string) error {
	_, ctx, err := open()
	if err != nil {
		return err
	}
	var handle cudaffi.IPCHandle
	if _, err := hex.Decode(handle[:], []byte(text)); err != nil {
		return err
	}
	p, err := ctx.OpenMemory(handle)
	if err != nil {
		return err
	}
	mem := make([]byte, 1000)
	if err := ctx.CopyToHost(mem, p); err != nil {
		return err
	}
	for i := range mem {
		mem[i]++
	}
	if err := ctx.CopyFromHost(p, mem); err != nil {
		return err
	}
	fmt.Println("imported")
	return ctx.CloseMemory(p)
}

func TestMemoryOfAnotherProcess(t *testing.T) {
	b := newBed(t)
	b.alloc(5000)
	p := b.alloc(1000)
	want := make([]byte, 1000)
	for i := range want {
		want[i] = byte(i)
	}
	require.NoError(t, b.ctx.CopyFromHost(p, want))
	handle, err := b.ctx.ExportMemory(p + 10)
	require.NoError(t, err)
	_, err = b.ctx.OpenMemory(handle)
	require.ErrorIs(t, err, cudaffi.ErrInvalidContext, "it is this process's own")

	out, err := child(t, b.sim.Path(), "import", hex.EncodeToString(handle[:]))
	require.NoError(t, err, out)
	require.Equal(t, "imported\n", out)
	for i := range want {
		want[i]++
	}
	got, err := b.sim.Read(uint64(p), 1000)
	require.NoError(t, err)
	require.Equal(t, want, got)

	handle[10] ^= 1
	out, err = child(t, b.sim.Path(), "import", hex.EncodeToString(handle[:]))
	require.Error(t, err, out)
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
