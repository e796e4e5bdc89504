//go:build linux

package cudasim_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/cudaffi"
	"github.com/monel-dev/monel/cudaffi/cudasim"
)

// After a reset the driver is as new, though the program did not open it again.
func TestReset(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	b.held(s)
	b.sim.FailCall("cuMemAlloc", 1, cudasim.OutOfMemory)
	require.NoError(t, b.sim.Reset())
	require.Equal(t, cudasim.Live{}, b.sim.Live())
	require.Empty(t, b.sim.Calls())
	require.Zero(t, b.sim.Armed())
	require.Error(t, s.Sync())
	b.sim.Faults()
	require.NoError(t, b.work())
	require.Empty(t, b.sim.Leaks())
	require.Error(t, b.sim.Set(cudasim.Devices(9)))
}

// A goroutine that a test left behind in a call harms nobody.
func TestResetUnderACall(t *testing.T) {
	b := newBed(t)
	s := b.stream()
	b.held(s)
	back := make(chan error)
	go func() { back <- s.Sync() }()
	for b.sim.Count("cuStreamSynchronize") == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(2 * time.Millisecond)
	require.NoError(t, b.sim.Reset())
	<-back
	b.sim.Faults()
	require.NoError(t, b.work())
}

func TestFaultsFailTheTest(t *testing.T) {
	library := cudasim.Library(t)
	fake := &recorder{TB: t}
	sim := cudasim.Load(fake)
	require.Equal(t, library, sim.Path())
	other := &recorder{TB: t}
	func() {
		defer func() { recover() }()
		cudasim.Load(other)
	}()
	require.Contains(t, other.said, "has the simulated driver")
	sim.FailCall("cuNothing", 1, cudasim.Unknown)
	fake.end()
	require.Contains(t, fake.said, "cuNothing")
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	said     string
	cleanups []func()
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Errorf(format string, args ...any) { r.said += fmt.Sprintf(format, args...) }

func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); panic(r) }

func (r *recorder) end() {
	for _, f := range r.cleanups {
		f()
	}
}

// countDevices prints how many GPUs there are.
func countDevices(string) error {
	driver, _, err := open()
	if err != nil {
		return err
	}
	fmt.Println(driver.DeviceCount(), driver.Version())
	return nil
}

func TestEnvironmentReachesOtherProcesses(t *testing.T) {
	library := cudasim.Library(t)
	out, err := child(t, library, "count", "", cudasim.Devices(7), cudasim.Version(12030))
	require.NoError(t, err, out)
	require.Equal(t, "7 12030\n", out)
	out, err = child(t, library, "count", "", cudasim.Devices(0))
	require.Error(t, err)
	require.Contains(t, out, "CUDA_ERROR_NO_DEVICE")
}

func TestOlderDrivers(t *testing.T) {
	for _, test := range []struct {
		version int
		fails   error
		values  bool
	}{
		{11030, cudaffi.ErrOldDriver, false},
		{11040, nil, true},
		{12080, nil, true},
	} {
		t.Run(fmt.Sprint(test.version), func(t *testing.T) {
			sim := cudasim.Load(t, cudasim.Version(test.version))
			driver, err := cudaffi.Open(sim.Path())
			if test.fails != nil {
				require.ErrorIs(t, err, test.fails)
				return
			}
			require.NoError(t, err)
			ctx, err := driver.Primary(0)
			require.NoError(t, err)
			require.Equal(t, test.values, ctx.HasStreamValues())
			s, err := ctx.NewStream(cudaffi.PriorityDefault)
			require.NoError(t, err)
			p, err := ctx.Alloc(4)
			require.NoError(t, err)
			require.NoError(t, s.Write32(p, 1))
			require.NoError(t, s.Wait32(p, 1))
			require.NoError(t, s.Sync())
			b := &bed{T: t, sim: sim, driver: driver, ctx: ctx}
			require.NoError(t, b.work())
		})
	}
}

func TestObsoleteFunctionsSaySo(t *testing.T) {
	b := newBed(t)
	var p uint64
	require.Equal(t, cudasim.InvalidValue, b.raw("cuMemAlloc", uintptr(unsafe.Pointer(&p)), 10))
	b.expectFault("the obsolete cuMemAlloc")
}

// Without a compiler tests are skipped, but not where everything is to be tested.
func TestWithoutACompiler(t *testing.T) {
	cudasim.Library(t)
	self, err := os.Executable()
	require.NoError(t, err)
	for _, test := range []struct{ ci, says string }{{"", "--- SKIP: TestCallsAreCounted"}, {"1", "--- FAIL: TestCallsAreCounted"}} {
		cmd := exec.Command(self, "-test.v", "-test.run", "^TestCallsAreCounted$")
		cmd.Env = append(os.Environ(), "PATH=/nowhere", "CI="+test.ci)
		out, _ := cmd.CombinedOutput()
		require.Contains(t, string(out), test.says)
		require.Contains(t, string(out), "there is no compiler for C: install one")
	}
}

func TestLibraryIsBuiltOnce(t *testing.T) {
	library := cudasim.Library(t)
	require.Equal(t, "libcuda.so.1", filepath.Base(library))
	before, err := os.Stat(library)
	require.NoError(t, err)
	out, err := child(t, library, "count", "")
	require.NoError(t, err, out)
	after, err := os.Stat(cudasim.Library(t))
	require.NoError(t, err)
	require.Equal(t, before.ModTime(), after.ModTime())
}
