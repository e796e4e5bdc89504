//go:build linux && (amd64 || arm64)

package kernels

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/monel-dev/monel/cudaffi"
)

// identity is what the kernels need of whoever embeds them, where the host may
// touch all memory.
const identity = `extern "C" void *monel_host_translate(void *p) { return p; }`

// host runs the kernels on this machine's processor.
type host struct {
	kernels [kernelCount]uintptr
	lookup  uintptr
	layout  uintptr
	memory  [memories][]byte

	grid, block [3]uint32
	params      [1]unsafe.Pointer
}

// hostLibrary is the variable that tells processes which the fuzzer starts where
// their parent has put the library.
const hostLibrary = "MONEL_TEST_KERNELS"

// scratch is where the library is built, until the tests end.
var scratch string

func TestMain(m *testing.M) {
	code := m.Run()
	if scratch != "" {
		os.RemoveAll(scratch)
	}
	os.Exit(code)
}

// library is the kernels, built for the host and loaded into this process.
var library = sync.OnceValues(func() (uintptr, error) {
	path := os.Getenv(hostLibrary)
	if path == "" {
		var err error
		if path, err = build(); err != nil {
			return 0, err
		}
		os.Setenv(hostLibrary, path)
	}
	return purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
})

// build makes the library and returns its path.
func build() (string, error) {
	compiler := os.Getenv("CXX")
	if compiler == "" {
		compiler = "g++"
	}
	if _, err := exec.LookPath(compiler); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "monel-kernels-")
	if err != nil {
		return "", err
	}
	scratch = dir
	if err := os.CopyFS(dir, Source()); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "identity.cc"), []byte(identity), 0o644); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		append(HostFlags(), "-Wall", "-Wextra", "-Werror", "-o", "kernels.o", "kernels.cu"),
		{"-shared", "-fPIC", "-o", "kernels.so", "kernels.o", "identity.cc"},
	} {
		cmd := exec.Command(compiler, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v: %w\n%s", cmd, err, out)
		}
	}
	return filepath.Join(dir, "kernels.so"), nil
}

// onHost is the host as a machine. Without a C++ compiler the test is skipped, or
// fails if CI is set.
func onHost(t testing.TB) *host {
	lib, err := library()
	if err != nil {
		if _, missing := err.(*exec.Error); missing && os.Getenv("CI") == "" {
			t.Skipf("no C++ compiler: %v", err)
		}
		t.Fatal(err)
	}
	h := new(host)
	if h.lookup, err = purego.Dlsym(lib, "monel_host_kernel_named"); err != nil {
		t.Fatal(err)
	}
	for k := range kernelCount {
		if !k.exists() {
			continue
		}
		h.kernels[k] = h.named(t, k.name())
	}
	if h.layout, err = purego.Dlsym(lib, "monel_host_layout"); err != nil {
		t.Fatal(err)
	}
	return h
}

// named is the kernel of that name.
func (h *host) named(t testing.TB, name string) uintptr {
	c := append([]byte(name), 0)
	at, _, _ := purego.SyscallN(h.lookup, uintptr(unsafe.Pointer(&c[0])))
	runtime.KeepAlive(c)
	if at == 0 {
		t.Fatalf("the host's library has no kernel %s", name)
	}
	return at
}

func (h *host) at(k, n, shift int) []byte {
	const edge = 256
	if len(h.memory[k]) < n+3*edge {
		h.memory[k] = make([]byte, n+3*edge)
	}
	m := h.memory[k]
	from := edge - int(uintptr(unsafe.Pointer(&m[0]))%edge) + shift
	return m[from : from+n]
}

func (h *host) place(t testing.TB, k int, b []byte, shift int) cudaffi.DevicePtr {
	m := h.at(k, len(b), shift)
	copy(m, b)
	return cudaffi.DevicePtr(uintptr(unsafe.Pointer(unsafe.SliceData(m))))
}

func (h *host) fetch(t testing.TB, k int, b []byte, shift int) { copy(b, h.at(k, len(b), shift)) }

func (h *host) do(o order) error {
	p := planners.Get().(*planner)
	defer planners.Put(p)
	p.l = h
	return p.carryOut(&o)
}

func (h *host) launch(k kernel, blocks, shared uint32, params unsafe.Pointer) error {
	if shared > agentShared {
		return fmt.Errorf("%d bytes of shared memory", shared)
	}
	h.grid, h.block, h.params = [3]uint32{blocks, 1, 1}, [3]uint32{blockThreads, 1, 1}, [1]unsafe.Pointer{params}
	purego.SyscallN(h.kernels[k], uintptr(unsafe.Pointer(&h.grid)), uintptr(unsafe.Pointer(&h.block)), uintptr(unsafe.Pointer(&h.params)))
	return nil
}
