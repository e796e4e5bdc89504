package yardstick

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/monel-dev/monel/bench/peers/kernels"
	"github.com/monel-dev/monel/strided/dtype"
)

// C is the plain C loops, compiled for this machine and loaded into this
// process, where they stay until it ends. It may be used concurrently.
type C struct {
	add map[dtype.DType]uintptr // addresses of functions
}

// Flags are what the C loops are compiled with.
const Flags = "-O3 -march=native -shared -fPIC"

// symbols are the loops in the source. Integers of both signs add alike.
var symbols = map[dtype.DType]string{
	dtype.Float32: "add_float",
	dtype.Float64: "add_double",
	dtype.Int32:   "add_int32",
	dtype.Uint32:  "add_int32",
	dtype.Int64:   "add_int64",
	dtype.Uint64:  "add_int64",
	dtype.Float16: "add_half", // only where gcc knows _Float16
}

// BuildC compiles the loops with gcc and loads them. It is an error where there
// is no gcc, which it names, or no way to load what gcc makes.
func BuildC(ctx context.Context) (*C, error) {
	if !canLoad {
		return nil, fmt.Errorf("the C loops can be loaded on linux/amd64 and linux/arm64 only")
	}
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		return nil, fmt.Errorf("the C loops need gcc, of Debian's gcc and libc6-dev: %w", err)
	}
	folder, err := workplace()
	if err != nil {
		return nil, fmt.Errorf("where to build the C loops: %w", err)
	}
	// A loaded library outlives its file. Nothing is kept for the next run: code
	// for this machine must not be found by another one that has the same home.
	defer os.RemoveAll(folder)
	library := filepath.Join(folder, "kernels.so")
	cmd := exec.CommandContext(ctx, gcc, append(strings.Fields(Flags), "-o", library, "-x", "c", "-")...)
	cmd.Stdin = strings.NewReader(kernels.C)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the C loops, which need Debian's gcc and libc6-dev: %w\n%s", err, bytes.TrimSpace(out))
	}
	add, err := load(library, symbols)
	if err != nil {
		return nil, fmt.Errorf("loading the C loops: %w", err)
	}
	return &C{add: add}, nil
}

// workplace makes a new folder: in the user's cache if there is one, since the
// system's folder of temporary files is often one that no code is loaded from.
func workplace() (string, error) {
	if cache, err := os.UserCacheDir(); err == nil {
		parent := filepath.Join(cache, "monel-bench")
		if os.MkdirAll(parent, 0o755) == nil {
			if folder, err := os.MkdirTemp(parent, "kernels-"); err == nil {
				return folder, nil
			}
		}
	}
	return os.MkdirTemp("", "monel-kernels-")
}

// Add sets out[i] = a[i] + b[i] for n elements of type dt, and reports whether
// there is a loop for that type. out must not overlap a or b. Integers wrap
// around; Float16 is rounded after each sum.
func (c *C) Add(dt dtype.DType, out, a, b unsafe.Pointer, n int) bool {
	loop, ok := c.add[dt]
	if !ok {
		return false
	}
	call(loop, [3]unsafe.Pointer{out, a, b}, 0, n)
	return true
}
