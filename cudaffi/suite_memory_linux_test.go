//go:build (amd64 || arm64) && !nocuda

package cudaffi_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/cudaffi"
)

func testMemory(r *rig) {
	p, err := r.ctx.Alloc(1000)
	require.NoError(r, err)
	require.Zero(r, p%256)
	base, n, err := r.ctx.Range(p + 999)
	require.NoError(r, err)
	require.Equal(r, p, base)
	require.GreaterOrEqual(r, n, int64(1000))
	s := r.stream()
	require.NoError(r, r.ctx.Memset(p, 7, 1000, s))
	require.NoError(r, r.ctx.Memset(p+10, 9, 80, s))
	require.NoError(r, s.Sync())
	b := make([]byte, 1000)
	require.NoError(r, r.ctx.CopyToHost(b, p))
	require.Equal(r, append(append(bytes.Repeat([]byte{7}, 10), bytes.Repeat([]byte{9}, 80)...), bytes.Repeat([]byte{7}, 910)...), b)
	require.NoError(r, r.ctx.Free(p))
	_, _, err = r.ctx.Range(1 << 20)
	failed(r, err, "cuMemGetAddressRange")
	// Nothing to copy is no call at all, whatever the address.
	require.NoError(r, r.ctx.CopyToHost(nil, 0))
	require.NoError(r, r.ctx.CopyFromHost(0, nil))
}

func testOutOfMemory(r *rig) {
	_, err := r.ctx.Alloc(1 << 46)
	require.ErrorIs(r, err, cudaffi.ErrOutOfMemory)
	e := failed(r, err, "cuMemAlloc")
	require.Equal(r, "CUDA_ERROR_OUT_OF_MEMORY", e.Name)
	require.NotEmpty(r, e.Text)
	require.NotEmpty(r, e.Remedy())
	_, err = r.ctx.Alloc(0)
	require.ErrorIs(r, err, cudaffi.ErrInvalidValue)
	require.NotErrorIs(r, err, cudaffi.ErrSticky)
	r.words(1)
}

// The host and kernels see the same pinned memory.
func testPinned(r *rig) {
	s, k := r.stream(), r.add()
	p, err := r.ctx.AllocPinned(8192)
	require.NoError(r, err)
	require.Len(r, p.Bytes(), 8192)
	require.Zero(r, uintptr(unsafe.Pointer(&p.Bytes()[0]))%4096)
	words := unsafe.Slice((*uint32)(unsafe.Pointer(&p.Bytes()[0])), 2048)
	for i := range words {
		words[i] = uint32(i)
	}
	require.NoError(r, k.launch(s, p.Device(), p.Device(), 5, len(words)))
	require.NoError(r, s.Sync())
	for i, w := range words {
		require.Equal(r, uint32(i+5), w)
	}
	require.NoError(r, p.Free())
	require.Nil(r, p.Bytes())
	require.NoError(r, p.Free(), "a second one does nothing")
	_, err = r.ctx.AllocPinned(1 << 46)
	failed(r, err, "cuMemHostAlloc")
}

// Memory that the caller has mapped, and shares with other processes.
func testRegistered(r *rig) {
	const size = 1 << 16
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	require.NoError(r, err)
	defer func() { require.NoError(r, unix.Munmap(b)) }()
	p, err := r.ctx.Register(b)
	require.NoError(r, err)
	_, err = r.ctx.Register(b)
	e := failed(r, err, "cuMemHostRegister")
	require.Equal(r, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED", e.Name)
	found, err := r.driver.Pointer(cudaffi.DevicePtr(uintptr(unsafe.Pointer(&b[0]))))
	require.NoError(r, err)
	require.Equal(r, cudaffi.MemoryHost, found.Memory)
	s := r.stream()
	require.NoError(r, r.ctx.Memset(p.Device(), 3, size, s))
	require.NoError(r, s.Sync())
	require.Equal(r, bytes.Repeat([]byte{3}, size), b)
	require.NoError(r, p.Free())
	require.NoError(r, p.Free())
	require.Equal(r, byte(3), b[0], "it is still mapped")
	p, err = r.ctx.Register(b)
	require.NoError(r, err, "it may be registered again")
	require.NoError(r, p.Free())
}

func testPointers(r *rig) {
	device, host, foreign := r.alloc(4096, 0), r.pinned(4096), make([]byte, 4096)
	for _, test := range []struct {
		name   string
		p      cudaffi.DevicePtr
		memory cudaffi.Memory
		device int
	}{
		{"device", device, cudaffi.MemoryDevice, 0},
		{"inside", device + 4095, cudaffi.MemoryDevice, 0},
		{"pinned", host.Device() + 1, cudaffi.MemoryHost, 0},
		{"Go's heap", cudaffi.DevicePtr(uintptr(unsafe.Pointer(&foreign[0]))), cudaffi.MemoryUnregistered, -1},
		{"nothing", 0, cudaffi.MemoryUnregistered, -1},
	} {
		found, err := r.driver.Pointer(test.p)
		require.NoError(r, err, test.name)
		require.Equal(r, test.memory, found.Memory, test.name)
		require.Equal(r, test.device, found.Device, test.name)
		require.Equal(r, test.memory == cudaffi.MemoryUnregistered, found.Context == 0, test.name)
	}
	runtime.KeepAlive(foreign)
}

// A chain of copies through all kinds of memory, in the order of the stream.
func testCopies(r *rig) {
	const n = 100_003
	s := r.stream()
	in, out := r.pinned(n), r.pinned(n)
	a, b := r.alloc(n, 0), r.alloc(n, 0)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range in.Bytes() {
		in.Bytes()[i] = byte(random.Uint32())
	}
	for _, copy := range [][2]cudaffi.DevicePtr{{a, in.Device()}, {b, a}, {out.Device(), b}} {
		require.NoError(r, r.ctx.Copy(copy[0], copy[1], n, s))
	}
	require.NoError(r, s.Sync())
	require.True(r, bytes.Equal(in.Bytes(), out.Bytes()))
	// A part, at odd addresses.
	require.NoError(r, r.ctx.Copy(out.Device()+1, a+3, 5, s))
	require.NoError(r, s.Sync())
	require.Equal(r, in.Bytes()[3:8], out.Bytes()[1:6])
	require.NoError(r, r.ctx.Copy(out.Device(), a, 0, s))
}

// Go memory that is handed to the driver stays until the driver is done with
// it, though nobody else refers to it and everything is collected all the time,
// in a process that overwrites what is collected.
func testGoMemory(r *rig) {
	_, err := r.run("collect", "GODEBUG=clobberfree=1")
	require.NoError(r, err)
}

func collectMeanwhile() error {
	ctx, err := openContext()
	if err != nil {
		return err
	}
	m, err := ctx.Load(ptx)
	if err != nil {
		return err
	}
	fn, err := m.Function("monel_sim_add")
	if err != nil {
		return err
	}
	const most = 4 << 20
	p, err := ctx.Alloc(most)
	if err != nil {
		return err
	}
	go func() {
		for {
			runtime.GC()
		}
	}()
	for round := range 40 {
		n := most >> (round % 20) / 4
		if err := ctx.CopyFromHost(p, pattern(n, byte(round))); err != nil {
			return err
		}
		if err := launchOnce(ctx, fn, p, uint32(round), n); err != nil {
			return err
		}
		got, want := make([]byte, 4*n), pattern(n, byte(round))
		for i := range n {
			*(*uint32)(unsafe.Pointer(&want[4*i])) += uint32(round)
		}
		if err := ctx.CopyToHost(got, p); err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%d words arrived wrong in round %d", n, round)
		}
		var small [4]byte // would be on the stack if the driver did not get its address
		if err := ctx.CopyToHost(small[:], p); err != nil {
			return err
		}
		if !bytes.Equal(small[:], want[:4]) {
			return fmt.Errorf("a word arrived wrong in round %d", round)
		}
	}
	return nil
}

func pattern(n int, seed byte) []byte {
	b := make([]byte, 4*n)
	for i := range b {
		b[i] = byte(i)*31 + seed
	}
	return b
}

// launchOnce launches with parameters that are nobody's once it has returned.
func launchOnce(ctx *cudaffi.Context, fn cudaffi.Function, p cudaffi.DevicePtr, b uint32, n int) error {
	out, a, count := p, p, uint64(n)
	return fn.Launch(ctx.StreamOf(0), [3]uint32{2, 1, 1}, [3]uint32{256, 1, 1}, 0,
		unsafe.Pointer(&out), unsafe.Pointer(&a), unsafe.Pointer(&b), unsafe.Pointer(&count))
}
