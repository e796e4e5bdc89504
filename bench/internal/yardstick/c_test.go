package yardstick

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided/dtype"
)

// needLoading skips a test of loading on the systems that load nothing.
func needLoading(t *testing.T) {
	if !canLoad {
		t.Skipf("C code is not loaded on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
}

// needGCC skips a test of the compiled loops where there is no compiler, except in
// CI, which installs one.
func needGCC(t *testing.T) {
	needLoading(t)
	if _, err := exec.LookPath("gcc"); err != nil && os.Getenv("CI") == "" {
		t.Skip("gcc is not installed")
	}
}

// sizes have remainders of every vector width, and nothing at all.
var sizes = []int{0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 65, 127, 1000, 4099}

func TestMemcpy(t *testing.T) {
	memcpy, name := Memcpy()
	if canLoad {
		assert.Equal(t, "glibc's memcpy", name)
	}
	for _, f := range []func(dst, src unsafe.Pointer, n int){memcpy, goCopy} {
		for _, n := range sizes {
			src, dst := make([]byte, n+2), bytes.Repeat([]byte{0xa5}, n+2)
			for i := range src {
				src[i] = byte(rand.Int())
			}
			f(unsafe.Pointer(&dst[1]), unsafe.Pointer(&src[1]), n)
			assert.Equal(t, src[1:n+1], dst[1:n+1], n)
			assert.Equal(t, []byte{0xa5, 0xa5}, []byte{dst[0], dst[n+1]}, "it wrote outside of %d bytes", n)
		}
	}
}

func TestCallsAllocateNothing(t *testing.T) {
	src, dst := make([]byte, 4096), make([]byte, 4096)
	memcpy, _ := Memcpy()
	assert.Zero(t, testing.AllocsPerRun(100, func() { memcpy(unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), len(src)) }))
	needGCC(t)
	c, err := BuildC(t.Context())
	require.NoError(t, err)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		c.Add(dtype.Int32, unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), unsafe.Pointer(&src[0]), len(src)/4)
	}))
}

// checkAdd compares the loop for dt with add, over bits drawn by draw.
func checkAdd[T any](t *testing.T, c *C, dt dtype.DType, draw func() T, add func(a, b T) T) {
	t.Helper()
	require.Equal(t, dt.Size(), int(unsafe.Sizeof(*new(T))))
	for _, n := range sizes {
		a, b, out, want := make([]T, n+1), make([]T, n+1), make([]T, n+1), make([]T, n+1)
		for i := range a {
			a[i], b[i] = draw(), draw()
			want[i] = add(a[i], b[i])
		}
		out[n] = draw()
		want[n] = out[n] // lies behind the end
		require.True(t, c.Add(dt, unsafe.Pointer(&out[0]), unsafe.Pointer(&a[0]), unsafe.Pointer(&b[0]), n))
		require.Equal(t, want, out, "%v: %d elements", dt, n)
	}
}

func TestAdd(t *testing.T) {
	needGCC(t)
	c, err := BuildC(t.Context())
	require.NoError(t, err)
	checkAdd(t, c, dtype.Int32, func() int32 { return int32(rand.Uint32()) }, func(a, b int32) int32 { return a + b })
	checkAdd(t, c, dtype.Uint32, rand.Uint32, func(a, b uint32) uint32 { return a + b })
	checkAdd(t, c, dtype.Int64, func() int64 { return int64(rand.Uint64()) }, func(a, b int64) int64 { return a + b })
	checkAdd(t, c, dtype.Uint64, rand.Uint64, func(a, b uint64) uint64 { return a + b })
	checkAdd(t, c, dtype.Float32, func() float32 { return float32(rand.NormFloat64()) }, func(a, b float32) float32 { return a + b })
	checkAdd(t, c, dtype.Float64, rand.NormFloat64, func(a, b float64) float64 { return a + b })

	half := func() dtype.F16 {
		return dtype.F16FromFloat32(float32(rand.NormFloat64() * math.Exp2(float64(rand.IntN(20)-10))))
	}
	if _, ok := c.add[dtype.Float16]; ok {
		checkAdd(t, c, dtype.Float16, half, func(a, b dtype.F16) dtype.F16 {
			return dtype.F16FromFloat32(a.Float32() + b.Float32())
		})
	}
	var x [8]byte
	p := unsafe.Pointer(&x)
	assert.False(t, c.Add(dtype.BFloat16, p, p, p, 1), "there is no loop for it")
}

func TestBuildCLeavesNoFiles(t *testing.T) {
	needGCC(t)
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	_, err := BuildC(t.Context())
	require.NoError(t, err)
	left, err := os.ReadDir(cache + "/monel-bench")
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestBuildCWithoutCache(t *testing.T) {
	needGCC(t)
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	_, err := BuildC(t.Context())
	require.NoError(t, err)
}

func TestBuildCNamesWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := BuildC(t.Context())
	if !canLoad {
		require.ErrorContains(t, err, "linux/amd64")
		return
	}
	require.ErrorContains(t, err, "Debian's gcc and libc6-dev")
}
