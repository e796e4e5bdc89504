//go:build linux

package cudasim_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// childVariable has the test binary do one of children's instead.
const childVariable = "MONEL_CUDASIM_TEST_CHILD"

// children are what processes of their own do, for tests that need some. They
// get the text that their parents pass.
var children = map[string]func(text string) error{
	"touch":  touchDeviceMemory,
	"import": importMemory,
	"count":  countDevices,
}

func TestMain(m *testing.M) {
	name, text, is := strings.Cut(os.Getenv(childVariable), "=")
	if !is {
		os.Exit(m.Run())
	}
	if err := children[name](text); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// child starts a process for one of children, and returns what it says.
func child(t *testing.T, path, name, text string, options ...cudasim.Option) (string, error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), cudasim.Environment(path, options...)...), childVariable+"="+name+"="+text)
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// bed is a simulated driver with a context of device 0.
type bed struct {
	*testing.T
	sim    *cudasim.Sim
	driver *cudaffi.Driver
	ctx    *cudaffi.Context

	flags *cudaffi.Pinned // that streams wait for
	flag  int             // how many are in use
	pokes cudaffi.Function
	lazy  uintptr // a kernel that is not loaded yet
}

func newBed(t *testing.T, options ...cudasim.Option) *bed {
	t.Helper()
	b := &bed{T: t, sim: cudasim.Load(t, options...)}
	var err error
	b.driver, err = cudaffi.Open(b.sim.Path())
	require.NoError(t, err)
	b.ctx, err = b.driver.Primary(0)
	require.NoError(t, err)
	return b
}

func (b *bed) stream() cudaffi.Stream {
	b.Helper()
	s, err := b.ctx.NewStream(cudaffi.PriorityDefault)
	require.NoError(b, err)
	return s
}

// blocking is a stream that orders with the legacy default stream.
func (b *bed) blocking() cudaffi.Stream {
	b.Helper()
	var handle uintptr
	require.Zero(b, b.raw("cuStreamCreate", uintptr(unsafe.Pointer(&handle)), 0))
	return b.ctx.StreamOf(handle)
}

func (b *bed) alloc(bytes int64) cudaffi.DevicePtr {
	b.Helper()
	p, err := b.ctx.Alloc(bytes)
	require.NoError(b, err)
	return p
}

func (b *bed) pinned(bytes int) *cudaffi.Pinned {
	b.Helper()
	p, err := b.ctx.AllocPinned(bytes)
	require.NoError(b, err)
	return p
}

func (b *bed) kernel(name string) cudaffi.Function {
	b.Helper()
	m, err := b.ctx.Load([]byte(cudasim.Kernels))
	require.NoError(b, err)
	f, err := m.Function(name)
	require.NoError(b, err)
	return f
}

// unloaded is a kernel that its first launch is to load.
func (b *bed) unloaded(name string) uintptr {
	b.Helper()
	var module, function uintptr
	ptx, text := append([]byte(cudasim.Kernels), 0), append([]byte(name), 0)
	require.Zero(b, b.raw("cuModuleLoadData", uintptr(unsafe.Pointer(&module)), uintptr(unsafe.Pointer(&ptx[0]))))
	require.Zero(b, b.raw("cuModuleGetFunction", uintptr(unsafe.Pointer(&function)), module, uintptr(unsafe.Pointer(&text[0]))))
	return function
}

// words are the 32-bit words at p.
func (b *bed) words(p cudaffi.DevicePtr, n int) []uint32 {
	b.Helper()
	bytes, err := b.sim.Read(uint64(p), 4*n)
	require.NoError(b, err)
	return append([]uint32(nil), unsafe.Slice((*uint32)(unsafe.Pointer(&bytes[0])), n)...)
}

// raw calls a function that cudaffi has no use for, in the context.
//
//go:uintptrescapes
func (b *bed) raw(name string, args ...uintptr) int {
	b.Helper()
	library, err := purego.Dlopen(b.sim.Path(), purego.RTLD_NOW)
	require.NoError(b, err)
	function, err := purego.Dlsym(library, name)
	require.NoError(b, err)
	result := 0
	require.NoError(b, b.ctx.Do(func() error {
		r, _, _ := purego.SyscallN(function, args...)
		result = int(int32(r))
		return nil
	}))
	return result
}

// expectFault takes the faults, which have to be one that has all the words.
func (b *bed) expectFault(words ...string) {
	b.Helper()
	faults := b.sim.Faults()
	require.Len(b, faults, 1, "%q", faults)
	for _, w := range words {
		require.Contains(b, faults[0], w)
	}
}

var one = [3]uint32{1, 1, 1}

// add launches out[i] = a[i] + b for n words.
func (b *bed) add(f cudaffi.Function, s cudaffi.Stream, out, a cudaffi.DevicePtr, v uint32, n uint64) error {
	return f.Launch(s, one, one, 0, unsafe.Pointer(&out), unsafe.Pointer(&a), unsafe.Pointer(&v), unsafe.Pointer(&n))
}

// poke launches a write of one byte.
func (b *bed) poke(f cudaffi.Function, s cudaffi.Stream, at cudaffi.DevicePtr, offset int64, v byte) error {
	return f.Launch(s, one, one, 0, unsafe.Pointer(&at), unsafe.Pointer(&offset), unsafe.Pointer(&v))
}
