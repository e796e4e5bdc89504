//go:build (amd64 || arm64) && !nocuda

package cudaffi_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
)

// Goroutines that share a context do not disturb each other, wherever they run.
func testConcurrency(r *rig) {
	const goroutines, rounds, n = 8, 25, 333
	module := r.module()
	fn, err := module.Function("monel_sim_add")
	require.NoError(r, err)
	var all sync.WaitGroup
	for id := range goroutines {
		all.Go(func() {
			assert.NoError(r, func() error {
				s, err := r.ctx.NewStream(cudaffi.PriorityDefault)
				if err != nil {
					return err
				}
				p, err := r.ctx.Alloc(4 * n)
				if err != nil {
					return err
				}
				err = r.ctx.Memset(p, 0, 4*n, s)
				k := newAdd(fn)
				for range rounds {
					err = errors.Join(err, k.launch(s, p, p, uint32(id), n))
					runtime.Gosched()
				}
				b := make([]byte, 4*n)
				err = errors.Join(err, s.Sync(), r.ctx.CopyToHost(b, p), r.ctx.Free(p), s.Destroy())
				for i := range n {
					if got := *(*uint32)(unsafe.Pointer(&b[4*i])); got != uint32(id*rounds) {
						return errors.Join(err, fmt.Errorf("goroutine %d: element %d is %d", id, i, got))
					}
				}
				return err
			}())
		})
	}
	all.Wait()
}

// Calls that collectives make all the time allocate nothing.
func testAllocations(r *rig) {
	if raceDetector {
		r.Skip("the race detector has pools forget")
	}
	s, e, k := r.stream(), r.event(), r.add()
	p, host := r.words(0, 0), r.pinned(4096)
	b := make([]byte, 8)
	calls := []struct {
		name string
		call func() error
	}{
		{"Launch", func() error { return k.launch(s, p, p, 1, 2) }},
		{"Copy", func() error { return r.ctx.Copy(host.Device(), p, 8, s) }},
		{"Memset", func() error { return r.ctx.Memset(p, 0, 8, s) }},
		{"CopyToHost", func() error { return r.ctx.CopyToHost(b, p) }},
		{"CopyFromHost", func() error { return r.ctx.CopyFromHost(p, b) }},
		{"Event.Record", func() error { return e.Record(s) }},
		{"Event.Query", func() error { _, err := e.Query(); return err }},
		{"Event.Sync", func() error { return e.Sync() }},
		{"Stream.Wait", func() error { return s.Wait(e) }},
		{"Stream.Query", func() error { _, err := s.Query(); return err }},
		{"Stream.Sync", func() error { return s.Sync() }},
		{"Stream.Capturing", func() error { _, err := s.Capturing(); return err }},
		{"Pointer", func() error { _, err := r.driver.Pointer(p); return err }},
	}
	if r.ctx.HasStreamValues() {
		value := uint32(0)
		calls = append(calls, []struct {
			name string
			call func() error
		}{
			{"Write32", func() error { value++; return s.Write32(host.Device(), value) }},
			{"Wait32", func() error { return s.Wait32(host.Device(), value) }},
		}...)
	}
	for _, c := range calls {
		var err error
		often := func() {
			for range 100 { // a collection that empties the pools now and then does not matter
				err = errors.Join(err, c.call())
			}
		}
		require.Zero(r, int(testing.AllocsPerRun(10, often)), c.name)
		require.NoError(r, err, c.name)
		require.NoError(r, r.ctx.Do(func() error {
			require.Zero(r, int(testing.AllocsPerRun(10, often)), "%s inside Do", c.name)
			return s.Sync()
		}))
		require.NoError(r, err, c.name)
	}
}

// run has the test binary be one of the children, with the same driver, and
// returns what it says.
func (r *rig) run(name string, env ...string) (string, error) {
	cmd := exec.CommandContext(r.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), child+"="+name, cudaffi.LibraryVariable+"="+r.driver.Path()), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return string(out), nil
}

func testExample(r *rig) {
	said, err := r.run("example")
	require.NoError(r, err)
	require.Equal(r, "[42 42 42 42]\n", said)
}

// Another process maps an allocation and changes it.
func testOtherProcesses(r *rig) {
	p := r.words(1, 2, 3, 4)
	h, err := r.ctx.ExportMemory(p)
	if errors.Is(err, cudaffi.ErrUnsupported) {
		r.Skip("this GPU, or its virtualisation, shares no memory between processes")
	}
	require.NoError(r, err)
	_, err = r.run("modify", "MONEL_TEST_HANDLE="+hex.EncodeToString(h[:]))
	require.NoError(r, err)
	require.Equal(r, []uint32{1, 0x0707_0707, 3, 4}, r.read(p, 4))
	_, err = r.ctx.OpenMemory(cudaffi.IPCHandle{})
	failed(r, err, "cuIpcOpenMemHandle")
}

func modifyImported() error {
	text, err := hex.DecodeString(os.Getenv("MONEL_TEST_HANDLE"))
	if err != nil || len(text) != len(cudaffi.IPCHandle{}) {
		return fmt.Errorf("not a handle: %w", err)
	}
	ctx, err := openContext()
	if err != nil {
		return err
	}
	p, err := ctx.OpenMemory(cudaffi.IPCHandle(text))
	if err != nil {
		return err
	}
	b := make([]byte, 16)
	if err := ctx.CopyToHost(b, p); err != nil {
		return err
	}
	if *(*uint32)(unsafe.Pointer(&b[8])) != 3 {
		return fmt.Errorf("read %v", b)
	}
	s := ctx.StreamOf(0)
	return errors.Join(ctx.Memset(p+4, 7, 4, s), s.Sync(), ctx.CloseMemory(p), ctx.Release())
}

func openContext() (*cudaffi.Context, error) {
	d, err := cudaffi.Open("")
	if err != nil {
		return nil, err
	}
	return d.Primary(0)
}

// A kernel that touches what is not its own takes the context with it, of a
// process that is made for it.
func testLostContext(r *rig) {
	_, err := r.run("fault")
	require.NoError(r, err)
}

func touchNothing() error {
	ctx, err := openContext()
	if err != nil {
		return err
	}
	m, err := ctx.Load(ptx)
	if err != nil {
		return err
	}
	fn, err := m.Function("monel_sim_poke")
	if err != nil {
		return err
	}
	s, err := ctx.NewStream(cudaffi.PriorityDefault)
	if err != nil {
		return err
	}
	at, offset, value := uint64(64), int64(0), uint8(1)
	one := [3]uint32{1, 1, 1}
	if err := fn.Launch(s, one, one, 0, pointer(&at), pointer(&offset), pointer(&value)); err != nil {
		return fmt.Errorf("the launch itself: %w", err)
	}
	for range 2 {
		err := s.Sync()
		var e *cudaffi.Error
		if !errors.As(err, &e) || !errors.Is(err, cudaffi.ErrIllegalAddress) || !errors.Is(err, cudaffi.ErrSticky) || e.Name != "CUDA_ERROR_ILLEGAL_ADDRESS" {
			return fmt.Errorf("the stream's error is %w", err)
		}
		if !strings.Contains(err.Error(), "compute-sanitizer") {
			return fmt.Errorf("no remedy in %w", err)
		}
	}
	if _, err := ctx.Alloc(1); !errors.Is(err, cudaffi.ErrSticky) {
		return fmt.Errorf("an allocation's error is %w", err)
	}
	return nil
}
