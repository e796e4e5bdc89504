//go:build (amd64 || arm64) && !nocuda

package cudaffi_test

import (
	_ "embed"
	"encoding/binary"
	"os"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

//go:embed testdata/kernels.ptx
var ptx []byte

// children are what the test binary does instead of tests when the environment
// variable child names one.
var children = map[string]func() error{
	"modify": modifyImported, "collect": collectMeanwhile, "fault": touchNothing, "example": func() error { Example(); return nil },
}

const child = "MONEL_TEST_CHILD"

func TestMain(m *testing.M) {
	if run, ok := children[os.Getenv(child)]; ok {
		if err := run(); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// rig is a device to test on. What is made through it is released at the end of
// the test.
type rig struct {
	*testing.T
	driver *cudaffi.Driver
	ctx    *cudaffi.Context
}

func newRig(t *testing.T, d *cudaffi.Driver) *rig {
	t.Helper()
	ctx, err := d.Primary(0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ctx.Release()) })
	return &rig{t, d, ctx}
}

// finally has the test end with a call that must succeed.
func (r *rig) finally(call func() error) { r.Cleanup(func() { require.NoError(r, call()) }) }

// alloc is device memory whose bytes are all value.
func (r *rig) alloc(bytes int64, value byte) cudaffi.DevicePtr {
	r.Helper()
	p, err := r.ctx.Alloc(bytes)
	require.NoError(r, err)
	r.finally(func() error { return r.ctx.Free(p) })
	require.NoError(r, r.ctx.Memset(p, value, bytes, cudaffi.Stream{}))
	require.NoError(r, r.ctx.StreamOf(0).Sync())
	return p
}

// words is device memory that holds words.
func (r *rig) words(words ...uint32) cudaffi.DevicePtr {
	r.Helper()
	p := r.alloc(int64(4*len(words)), 0)
	var b []byte
	for _, w := range words {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	require.NoError(r, r.ctx.CopyFromHost(p, b))
	return p
}

// read is what device memory holds.
func (r *rig) read(p cudaffi.DevicePtr, n int) []uint32 {
	r.Helper()
	b := make([]byte, 4*n)
	require.NoError(r, r.ctx.CopyToHost(b, p))
	words := make([]uint32, n)
	for i := range words {
		words[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return words
}

func (r *rig) stream() cudaffi.Stream {
	r.Helper()
	s, err := r.ctx.NewStream(cudaffi.PriorityDefault)
	require.NoError(r, err)
	r.finally(s.Destroy)
	return s
}

func (r *rig) event() cudaffi.Event {
	r.Helper()
	e, err := r.ctx.NewEvent()
	require.NoError(r, err)
	r.finally(e.Destroy)
	return e
}

func (r *rig) pinned(bytes int) *cudaffi.Pinned {
	r.Helper()
	p, err := r.ctx.AllocPinned(bytes)
	require.NoError(r, err)
	r.finally(p.Free)
	clear(p.Bytes())
	return p
}

func (r *rig) module() *cudaffi.Module {
	r.Helper()
	m, err := r.ctx.Load(ptx)
	require.NoError(r, err)
	r.finally(m.Unload)
	return m
}

func (r *rig) kernel(name string) cudaffi.Function {
	r.Helper()
	fn, err := r.module().Function("monel_sim_" + name)
	require.NoError(r, err)
	return fn
}

// add is the kernel out[i] = a[i] + b. Its parameters can be used again once
// launch has returned.
type add struct {
	fn     cudaffi.Function
	out, a cudaffi.DevicePtr
	b      uint32
	n      uint64
	params [4]unsafe.Pointer
}

func (r *rig) add() *add {
	r.Helper()
	return newAdd(r.kernel("add"))
}

func newAdd(fn cudaffi.Function) *add {
	k := &add{fn: fn}
	k.params = [4]unsafe.Pointer{unsafe.Pointer(&k.out), unsafe.Pointer(&k.a), unsafe.Pointer(&k.b), unsafe.Pointer(&k.n)}
	return k
}

func (k *add) launch(s cudaffi.Stream, out, a cudaffi.DevicePtr, b uint32, n int) error {
	k.out, k.a, k.b, k.n = out, a, b, uint64(n)
	return k.fn.Launch(s, [3]uint32{4, 1, 1}, [3]uint32{64, 1, 1}, 0, k.params[:]...)
}

// gate holds up a stream until it is opened, which it is at the end of the test
// at the latest.
type gate struct{ word *cudaffi.Pinned }

func (r *rig) gate(s cudaffi.Stream) gate {
	r.Helper()
	g := gate{r.pinned(4096)}
	require.NoError(r, s.Wait32(g.word.Device(), 1))
	r.Cleanup(g.open)
	return g
}

func (g gate) open() { binary.NativeEndian.PutUint32(g.word.Bytes(), 1) }

// failed is err as an error of one of the driver's functions.
func failed(t testing.TB, err error, call string) *cudaffi.Error {
	t.Helper()
	var e *cudaffi.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, call, e.Call)
	return e
}

// BenchmarkCalls is what a call costs, with and without the context to be made
// current, on a GPU if MONEL_TEST_GPU asks for it, else with the simulated driver,
// where most of it is cudaffi's part.
func BenchmarkCalls(b *testing.B) {
	path := ""
	if os.Getenv("MONEL_TEST_GPU") == "" {
		path = cudasim.Load(b).Path()
	}
	d, err := cudaffi.Open(path)
	require.NoError(b, err)
	ctx, err := d.Primary(0)
	require.NoError(b, err)
	e, err := ctx.NewEvent()
	require.NoError(b, err)
	query := func(b *testing.B) {
		for b.Loop() {
			if _, err := e.Query(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("outside Do", query)
	b.Run("inside Do", func(b *testing.B) { _ = ctx.Do(func() error { query(b); return nil }) })
}
