package cudaffi

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenWithoutALibrarySaysHowToGetOne(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "libcuda.so.1")
	for _, test := range []struct{ name, argument, variable string }{
		{"argument", absent, ""},
		{"variable", "", absent},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(LibraryVariable, test.variable)
			d, err := Open(test.argument)
			require.Nil(t, d)
			require.ErrorIs(t, err, ErrNoCUDA)
			require.NotErrorIs(t, err, ErrNoDevice)
			var load *LoadError
			require.ErrorAs(t, err, &load)
			require.Equal(t, absent, load.Path)
			if supported {
				require.ErrorContains(t, err, absent)
			}
			for _, remedy := range []string{"NVIDIA's driver", "libcuda1", "NVIDIA Container Toolkit", LibraryVariable} {
				require.ErrorContains(t, err, remedy)
			}
		})
	}
}

// A library that is no CUDA driver: whatever the C library is called here.
func TestOpenOfAnotherLibraryNamesWhatItLacks(t *testing.T) {
	if !supported {
		t.Skip("no library can be opened in this build")
	}
	_, err := Open("libc.so.6")
	require.ErrorIs(t, err, ErrNoCUDA)
	require.ErrorContains(t, err, "cuInit")
	require.ErrorContains(t, err, "is it a CUDA driver?")
}

// NVIDIA's own library says that there is no GPU where none is.
func TestDriverOfDebianWithoutADevice(t *testing.T) {
	library := needed(t, "MONEL_CUDA_OF_DEBIAN", "the path of Debian's libcuda.so.1")
	// The library itself makes the files in /dev, so they tell nothing.
	if _, err := os.Stat("/proc/driver/nvidia"); err == nil {
		t.Skip("this machine has a GPU, and perhaps a driver of another version")
	}
	t.Setenv(LibraryVariable, library)
	d, err := Open("")
	require.Nil(t, d)
	require.ErrorIs(t, err, ErrNoDevice)
	require.NotErrorIs(t, err, ErrNoCUDA)
	var failed *Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "cuInit", failed.Call)
	require.Equal(t, "CUDA_ERROR_NO_DEVICE", failed.Name)
	for _, remedy := range []string{"nvidia-smi", "CUDA_VISIBLE_DEVICES", "lsmod", "--gpus"} {
		require.ErrorContains(t, err, remedy)
	}
}

func TestVersionText(t *testing.T) {
	require.Equal(t, "11.4", versionText(MinVersion))
	require.Equal(t, "12.0", versionText(12000))
	require.Equal(t, "13.1", versionText(13010))
}
