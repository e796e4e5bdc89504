//go:build (amd64 || arm64) && !nocuda

package cudaffi_test

import (
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/cudaffi"
)

// An allocation has a number that no later one has, at the same addresses either.
func testBuffers(r *rig) {
	const n = 8 << 20
	seen := map[uint64]bool{}
	for range 8 {
		p, err := r.ctx.Alloc(n)
		require.NoError(r, err)
		first, err := r.driver.Pointer(p)
		require.NoError(r, err)
		require.NotZero(r, first.Buffer)
		require.False(r, seen[first.Buffer], "number %d comes again", first.Buffer)
		seen[first.Buffer] = true
		require.Equal(r, p, first.Base)
		require.GreaterOrEqual(r, first.Bytes, int64(n))
		last, err := r.driver.Pointer(p + n - 1)
		require.NoError(r, err)
		require.Equal(r, first, last)
		require.NoError(r, r.ctx.Free(p))
		gone, err := r.driver.Pointer(p)
		require.NoError(r, err)
		require.NotEqual(r, first.Buffer, gone.Buffer)
	}
}

// Device memory as a descriptor, where the driver has that.
func testDMABuf(r *rig) {
	const n = 4 << 20
	p, err := r.ctx.Alloc(n)
	require.NoError(r, err)
	can, err := r.ctx.Device().Attribute(cudaffi.AttributeDMABuf)
	page := p &^ 4095
	if err != nil || can == 0 {
		_, err := r.ctx.DMABuf(page, n/2)
		require.ErrorIs(r, err, cudaffi.ErrUnsupported)
	} else {
		fd, err := r.ctx.DMABuf(page, n/2)
		require.NoError(r, err)
		require.NoError(r, unix.Close(fd))
		_, err = r.ctx.DMABuf(page+1, n/2)
		require.ErrorIs(r, err, cudaffi.ErrInvalidValue)
		_, err = r.ctx.DMABuf(page, n/2+1)
		require.ErrorIs(r, err, cudaffi.ErrInvalidValue)
	}
	require.NoError(r, r.ctx.Free(p))
}
