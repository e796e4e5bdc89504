//go:build (amd64 || arm64) && !nocuda

package cudaffi_test

import (
	"bytes"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
)

func pointer[T any](v *T) unsafe.Pointer { return unsafe.Pointer(v) }

func testModules(r *rig) {
	m := r.module()
	fn, err := m.Function("monel_sim_add")
	require.NoError(r, err)
	for attribute, most := range map[cudaffi.FunctionAttribute]int{
		cudaffi.FunctionMaxThreads: 1024, cudaffi.FunctionSharedBytes: 0, cudaffi.FunctionLocalBytes: 0, cudaffi.FunctionRegisters: 255,
	} {
		value, err := fn.Attribute(attribute)
		require.NoError(r, err)
		require.LessOrEqual(r, value, most)
		require.GreaterOrEqual(r, value, 0)
	}
	_, err = m.Function("monel_no_such_kernel")
	require.ErrorIs(r, err, cudaffi.ErrNotFound)
	require.ErrorContains(r, err, "monel_no_such_kernel")

	_, err = r.ctx.Load(ptx[:bytes.LastIndexByte(ptx, '}')])
	require.ErrorIs(r, err, cudaffi.ErrInvalidPTX)
	e := failed(r, err, "cuModuleLoadDataEx")
	require.Regexp(r, `ptxas.* line [0-9]+`, e.Detail)
	for _, nothing := range [][]byte{nil, []byte("no code at all")} {
		_, err = r.ctx.Load(nothing)
		failed(r, err, "cuModuleLoadDataEx")
	}
	r.words(1)
}

func testLaunch(r *rig) {
	s, k := r.stream(), r.add()
	const n = 10_000
	a, out := make([]uint32, n), r.alloc(4*n, 0xee)
	for i := range a {
		a[i] = uint32(i * i)
	}
	in := r.words(a...)
	require.NoError(r, k.launch(s, out, in, 0xffff_fff0, n-1))
	require.NoError(r, s.Sync())
	got := r.read(out, n)
	for i := range n - 1 {
		require.Equal(r, a[i]-16, got[i])
	}
	require.Equal(r, uint32(0xeeee_eeee), got[n-1], "beyond the end")
	require.Equal(r, a, r.read(in, n))
}

// Parameters of every size reach the kernel whole; what cannot be launched is an
// error.
func testLaunchArguments(r *rig) {
	s, out := r.stream(), r.alloc(72, 0)
	one := [3]uint32{1, 1, 1}
	block := new([72]byte)
	for i := range block {
		block[i] = byte(i + 1)
	}
	echo := r.kernel("echo")
	require.NoError(r, echo.Launch(s, one, one, 0, pointer(&out), pointer(block)))
	clear(block[:]) // it has been read
	require.NoError(r, s.Sync())
	b := make([]byte, 72)
	require.NoError(r, r.ctx.CopyToHost(b, out))
	for i := range b {
		require.Equal(r, byte(i+1), b[i])
	}

	err := echo.Launch(s, one, [3]uint32{1 << 16, 1, 1}, 0, pointer(&out), pointer(block))
	require.ErrorIs(r, err, cudaffi.ErrInvalidValue)
	failed(r, err, "cuLaunchKernel")
	err = echo.Launch(s, [3]uint32{}, one, 0, pointer(&out), pointer(block))
	require.ErrorIs(r, err, cudaffi.ErrInvalidValue)
	err = echo.Launch(s, one, one, 0, make([]unsafe.Pointer, 33)...)
	require.ErrorIs(r, err, cudaffi.ErrInvalidValue)
	require.ErrorContains(r, err, "33 parameters")
}
