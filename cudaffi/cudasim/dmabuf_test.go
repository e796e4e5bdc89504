//go:build linux

package cudasim_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// mapped is what lies behind a descriptor for device memory, as whoever maps it sees it.
func mapped(t *testing.T, fd, n int) []byte {
	t.Helper()
	at, err := unix.Seek(fd, 0, 1)
	require.NoError(t, err)
	b, err := unix.Mmap(fd, at, n, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Munmap(b)) })
	return b
}

// TestDMABuf reads device memory through its descriptor, and has other memory come to lie
// at its addresses, which is other memory for all that.
func TestDMABuf(t *testing.T) {
	sim := cudasim.Load(t, cudasim.Reuse())
	driver, err := cudaffi.Open(sim.Path())
	require.NoError(t, err)
	ctx, err := driver.Primary(0)
	require.NoError(t, err)
	const n = 1 << 16
	p, err := ctx.Alloc(n)
	require.NoError(t, err)
	require.NoError(t, ctx.CopyFromHost(p, bytes.Repeat([]byte{5}, n)))
	fd, err := ctx.DMABuf(p, n)
	require.NoError(t, err)
	b := mapped(t, fd, n)
	require.NoError(t, unix.Close(fd))
	require.Equal(t, bytes.Repeat([]byte{5}, n), b)
	before, err := driver.Pointer(p)
	require.NoError(t, err)
	require.NoError(t, ctx.Free(p))
	q, err := ctx.Alloc(n)
	require.NoError(t, err)
	require.Equal(t, p, q)
	after, err := driver.Pointer(q)
	require.NoError(t, err)
	require.NotEqual(t, before.Buffer, after.Buffer)
	require.NoError(t, ctx.Free(q))
	_, err = ctx.DMABuf(p, n)
	require.ErrorIs(t, err, cudaffi.ErrInvalidValue, "freed")
	require.NoError(t, ctx.Release())
	require.Empty(t, sim.Leaks())
}
