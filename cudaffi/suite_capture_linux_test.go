//go:build (amd64 || arm64) && !nocuda

package cudaffi_test

import (
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
)

// foreign has what somebody else's code captures with, and the context current
// on the test's thread as that code has it.
type foreign struct {
	r                                         *rig
	create, destroy, begin, end, destroyGraph uintptr
}

func (r *rig) foreign() foreign {
	library, err := purego.Dlopen(r.driver.Path(), purego.RTLD_NOW|purego.RTLD_LOCAL)
	require.NoError(r, err)
	f := foreign{r: r}
	var push, pop uintptr
	for name, at := range map[string]*uintptr{
		"cuStreamCreate": &f.create, "cuStreamDestroy_v2": &f.destroy, "cuGraphDestroy": &f.destroyGraph,
		"cuStreamBeginCapture_v2": &f.begin, "cuStreamEndCapture": &f.end,
		"cuCtxPushCurrent_v2": &push, "cuCtxPopCurrent_v2": &pop,
	} {
		*at, err = purego.Dlsym(library, name)
		require.NoError(r, err)
	}
	found, err := r.driver.Pointer(r.words(0))
	require.NoError(r, err)
	runtime.LockOSThread()
	f.call(push, found.Context)
	r.Cleanup(func() {
		f.call(pop, uintptr(unsafe.Pointer(new(uintptr))))
		runtime.UnlockOSThread()
	})
	return f
}

func (f foreign) call(fn uintptr, args ...uintptr) {
	f.r.Helper()
	result, _, _ := purego.SyscallN(fn, args...)
	require.Zero(f.r, int32(result))
}

// capture captures what is put on the stream meanwhile. mode is global (0), of
// the thread (1) or relaxed (2).
func (f foreign) capture(s cudaffi.Stream, mode uintptr, during func()) {
	f.call(f.begin, s.Handle(), mode)
	during()
	graph := new(uintptr)
	f.call(f.end, s.Handle(), uintptr(unsafe.Pointer(graph)))
	if *graph != 0 {
		f.call(f.destroyGraph, *graph)
	}
}

func (r *rig) capturing(s cudaffi.Stream) bool {
	r.Helper()
	captured, err := s.Capturing()
	require.NoError(r, err)
	return captured
}

func testCapture(r *rig) {
	f, s, other := r.foreign(), r.stream(), r.stream()
	require.False(r, r.capturing(s))
	require.False(r, r.capturing(r.ctx.StreamOf(0)))
	f.capture(s, 0, func() {
		require.True(r, r.capturing(s))
		require.False(r, r.capturing(other))
		require.False(r, r.capturing(r.ctx.StreamOf(0)), "it does not wait for this stream")
	})
	require.False(r, r.capturing(s))

	// A stream for which the legacy default stream waits.
	blocking := new(uintptr)
	f.call(f.create, uintptr(unsafe.Pointer(blocking)), 0)
	f.capture(r.ctx.StreamOf(*blocking), 2, func() {
		_, err := r.ctx.StreamOf(0).Capturing()
		require.ErrorIs(r, err, cudaffi.ErrCapture)
	})
	f.call(f.destroy, *blocking)
}

// While somebody captures in global mode, calls inside Do are allowed, and do
// the capture no harm; outside they are refused.
func testCallsDuringCapture(r *rig) {
	f, s, mine := r.foreign(), r.stream(), r.stream()
	p := r.words(1)
	k := r.add()
	f.capture(s, 0, func() {
		require.NoError(r, k.launch(s, p, p, 100, 1), "this goes into the graph")
		require.NoError(r, r.ctx.Do(func() error {
			q, err := r.ctx.Alloc(1 << 16)
			require.NoError(r, err)
			require.NoError(r, k.launch(mine, p, p, 1, 1))
			require.NoError(r, mine.Sync())
			return r.ctx.Free(q)
		}))
		require.True(r, r.capturing(s))
	})
	require.Equal(r, []uint32{2}, r.read(p, 1), "the graph was not launched")

	result := make(chan error)
	f.call(f.begin, s.Handle(), 0)
	go func() {
		_, err := r.ctx.Alloc(1 << 16)
		result <- err
	}()
	err := <-result
	require.ErrorIs(r, err, cudaffi.ErrCapture)
	require.NotErrorIs(r, err, cudaffi.ErrSticky)
	graph := new(uintptr)
	broken, _, _ := purego.SyscallN(f.end, s.Handle(), uintptr(unsafe.Pointer(graph)))
	require.NotZero(r, int32(broken), "the call has spoilt the capture")
	require.False(r, r.capturing(s))
}
