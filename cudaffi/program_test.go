package cudaffi

import (
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// build makes the program in testdata, without cgo.
func build(t *testing.T, flags []string, env ...string) string {
	t.Helper()
	goTool, err := exec.LookPath("go")
	if err != nil {
		missing(t, "the go command: %v", err)
	}
	program := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command(goTool, append(append([]string{"build", "-o", program}, flags...), "./testdata/program")...)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// Programs that use this package are not linked with CUDA, so that they start
// where there is none.
func TestProgramsNeedNoCUDALibrary(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			f, err := elf.Open(build(t, nil, "GOOS=linux", "GOARCH="+arch))
			require.NoError(t, err)
			defer f.Close()
			libraries, err := f.ImportedLibraries()
			require.NoError(t, err)
			for _, library := range libraries {
				require.NotContains(t, library, "cuda")
				require.NotContains(t, library, "nvidia")
			}
			symbols, err := f.ImportedSymbols()
			require.NoError(t, err)
			for _, s := range symbols {
				require.NotRegexp(t, "^cu[A-Z]", s.Name)
			}
			require.NotEmpty(t, symbols, "it loads libraries at run time, and so is linked dynamically")
		})
	}
}

// With the build tag nocuda, programs are linked with nothing at all.
func TestProgramsWithoutCUDAAreStatic(t *testing.T) {
	f, err := elf.Open(build(t, []string{"-tags", "nocuda"}, "GOOS=linux"))
	require.NoError(t, err)
	defer f.Close()
	require.Nil(t, f.Section(".dynamic"))
	require.Nil(t, f.Section(".interp"))
}

func TestProgramStartsAndSaysHowToGetCUDA(t *testing.T) {
	for _, test := range []struct {
		name  string
		flags []string
		says  string
	}{
		{"as usual", nil, "install that (on Debian, libcuda1 of the component non-free)"},
		{"nocuda", []string{"-tags", "nocuda"}, "built without CUDA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command(build(t, test.flags))
			cmd.Env = append(os.Environ(), LibraryVariable+"="+filepath.Join(t.TempDir(), "libcuda.so.1"))
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.True(t, errors.As(err, &exit), "%v", err)
			require.Equal(t, 3, exit.ExitCode(), "%s", out)
			if supported || test.flags != nil {
				require.Contains(t, string(out), test.says)
			}
		})
	}
}
