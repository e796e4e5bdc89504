//go:build (amd64 || arm64) && !nocuda

package cudaffi_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// TestChannels: the driver, which is C, finds in its environment that it is to have
// many channels, or what was there.
func TestChannels(t *testing.T) {
	const variable = "CUDA_DEVICE_MAX_CONNECTIONS"
	lib, err := purego.Dlopen("libc.so.6", purego.RTLD_NOW)
	require.NoError(t, err)
	getenv, err := purego.Dlsym(lib, "getenv")
	require.NoError(t, err)
	seen := func() string {
		name := append([]byte(variable), 0)
		at, _, _ := purego.SyscallN(getenv, uintptr(unsafe.Pointer(&name[0])))
		runtime.KeepAlive(name)
		if at == 0 {
			return ""
		}
		text := unsafe.String(*(**byte)(unsafe.Pointer(&at)), 16)
		return text[:strings.IndexByte(text, 0)]
	}
	sim := cudasim.Load(t)
	for _, tc := range []struct{ before, after string }{{"", "32"}, {"4", "4"}} {
		t.Setenv(variable, tc.before)
		_, err := cudaffi.Open(sim.Path())
		require.NoError(t, err)
		require.Equal(t, tc.after, os.Getenv(variable))
		require.Equal(t, tc.after, seen())
	}
}
