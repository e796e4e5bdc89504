//go:build (amd64 || arm64) && !nocuda

package cudaffi_test

import (
	"errors"
	"runtime"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
)

func testDevices(r *rig) {
	n := r.driver.DeviceCount()
	require.Positive(r, n)
	require.GreaterOrEqual(r, r.driver.Version(), cudaffi.MinVersion)
	seen := map[string]bool{}
	for i := range n {
		d, err := r.driver.Device(i)
		require.NoError(r, err)
		require.Equal(r, i, d.Ordinal)
		require.NotEmpty(r, d.Name)
		require.Positive(r, d.Memory)
		require.GreaterOrEqual(r, d.Capability.Major, 5)
		require.Regexp(r, `^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]$`, strings.ToLower(d.PCIBusID))
		require.Regexp(r, `^GPU-[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`, d.UUID.String())
		seen[d.UUID.String()] = true
		sms, err := d.Attribute(cudaffi.AttributeMultiprocessors)
		require.NoError(r, err)
		require.Positive(r, sms)
		unified, err := d.Attribute(cudaffi.AttributeUnifiedAddressing)
		require.NoError(r, err)
		require.Equal(r, 1, unified)
		_, err = d.Attribute(1 << 20)
		require.ErrorIs(r, err, cudaffi.ErrInvalidValue)
		failed(r, err, "cuDeviceGetAttribute")
	}
	require.Len(r, seen, n)
	for _, ordinal := range []int{-1, n} {
		_, err := r.driver.Device(ordinal)
		require.ErrorIs(r, err, cudaffi.ErrInvalidValue)
		_, err = r.driver.Primary(ordinal)
		require.ErrorIs(r, err, cudaffi.ErrInvalidValue)
	}
}

func testContexts(r *rig) {
	require.Same(r, r.driver, r.ctx.Driver())
	require.Equal(r, 0, r.ctx.Device().Ordinal)
	// The primary context is one and the same however often it is retained.
	other, err := r.driver.Primary(0)
	require.NoError(r, err)
	p := r.words(1, 2, 3)
	b := make([]byte, 12)
	require.NoError(r, other.CopyToHost(b, p))
	require.Equal(r, byte(3), b[8]+b[11])
	require.NoError(r, other.Release())
	require.Equal(r, []uint32{1, 2, 3}, r.read(p, 3))
	require.NoError(r, r.ctx.Synchronize())
}

func testReleasedContext(r *rig) {
	ctx, err := r.driver.Primary(0)
	require.NoError(r, err)
	s, err := ctx.NewStream(cudaffi.PriorityDefault)
	require.NoError(r, err)
	require.NoError(r, s.Destroy())
	require.NoError(r, ctx.Release())
	require.NoError(r, ctx.Release(), "a second release does nothing")
	_, err = ctx.Alloc(1)
	require.ErrorIs(r, err, cudaffi.ErrInvalidContext)
	require.ErrorIs(r, ctx.Do(func() error { r.Error("called"); return nil }), cudaffi.ErrInvalidContext)
	require.ErrorIs(r, s.Sync(), cudaffi.ErrInvalidContext)
	r.words(1) // others still have it
}

func testDo(r *rig) {
	mine := errors.New("mine")
	calls := 0
	err := r.ctx.Do(func() error {
		return r.ctx.Do(func() error {
			calls++
			r.words(1, 2)
			return mine
		})
	})
	require.Equal(r, 1, calls)
	require.Same(r, mine, err)
	require.NoError(r, r.ctx.Do(func() error { return nil }))
	// A panic, or the end of the goroutine, leaves nothing behind.
	require.Panics(r, func() { _ = r.ctx.Do(func() error { panic("out") }) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.ctx.Do(func() error { runtime.Goexit(); return nil })
	}()
	<-done
	r.words(1)
}

// Calls into the context of one device from within Do of another's put back
// what was current.
func testTwoDevices(r *rig) {
	if r.driver.DeviceCount() < 2 {
		r.Skip("there is one device")
	}
	other, err := r.driver.Primary(1)
	require.NoError(r, err)
	defer func() { require.NoError(r, other.Release()) }()
	require.NoError(r, r.ctx.Do(func() error {
		there, err := other.Alloc(16)
		require.NoError(r, err)
		here, err := r.ctx.Alloc(16)
		require.NoError(r, err)
		for p, want := range map[cudaffi.DevicePtr]int{here: 0, there: 1} {
			found, err := r.driver.Pointer(p)
			require.NoError(r, err)
			require.Equal(r, want, found.Device)
			require.Equal(r, cudaffi.MemoryDevice, found.Memory)
		}
		require.NoError(r, other.Do(func() error {
			s, err := r.ctx.NewStream(cudaffi.PriorityDefault)
			require.NoError(r, err)
			require.NoError(r, r.ctx.Memset(here, 1, 16, s))
			require.NoError(r, s.Sync())
			require.NoError(r, other.Memset(there, 2, 16, other.StreamOf(0)))
			return s.Destroy()
		}))
		require.NoError(r, other.Free(there))
		return r.ctx.Free(here)
	}))
}
