//go:build linux

package cudasim_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
)

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
