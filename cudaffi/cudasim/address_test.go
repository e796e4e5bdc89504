//go:build linux

package cudasim_test

import (
	"fmt"
	"testing"
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
