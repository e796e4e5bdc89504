package cudasim

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// Sim controls the simulated driver of this process. Its methods may be called
// concurrently, Reset excepted.
type Sim struct {
	path    string
	control *control
}

// user is the test that has the driver.
var user struct {
	sync.Mutex
	name string
}

// Load builds the library, loads it into the process and resets it for this
// test. Only one test at a time can have it: subtests use their parent's, and
// parallel tests wait for nobody but fail.
//
// When the test ends, it fails if there are Faults that nobody has asked for.
func Load(t testing.TB, options ...Option) *Sim {
	t.Helper()
	path := Library(t)
	user.Lock()
	defer user.Unlock()
	if user.name != "" {
		t.Fatalf("cudasim: %s has the simulated driver", user.name)
	}
	s, err := Open(path, options...)
	if err != nil {
		t.Fatal(err)
	}
	user.name = t.Name()
	t.Cleanup(func() {
		for _, fault := range s.Faults() {
			t.Errorf("simulated CUDA driver: %s", fault)
		}
		s.Reset()
		user.Lock()
		defer user.Unlock()
		user.name = ""
	})
	return s
}

// Open loads the library at path, which is one of Library's, into the process
// and resets it: for processes that a test starts. Others use Load.
func Open(path string, options ...Option) (*Sim, error) {
	c, err := openControl(path)
	if err != nil {
		return nil, err
	}
	s := &Sim{path, c}
	return s, s.Reset(options...)
}

// Path is the library's path.
func (s *Sim) Path() string { return s.path }

// Reset puts the driver back to its beginning, with other options: streams are
// stopped, all objects are gone, nothing is counted, no error is going to
// happen. A driver that was initialised still is. No call may be under way, and
// no handle, pinned memory or device memory from before may be used.
func (s *Sim) Reset(options ...Option) error {
	s.control.reset()
	return s.Set(options...)
}

// Set changes options. Those that something has been made by keep their effect
// on that: a stream keeps its seed and its channel.
func (s *Sim) Set(options ...Option) error {
	for name, value := range settingsOf(options) {
		if s.control.set(name, value) == 0 {
			return fmt.Errorf("cudasim: %s cannot be %d", name, value)
		}
	}
	return nil
}

// Results for FailCall and the others; any other CUresult will do, too.
const (
	InvalidValue         = 1
	OutOfMemory          = 2
	ECCUncorrectable     = 214
	NotReady             = 600
	IllegalAddress       = 700
	LaunchOutOfResources = 701
	LaunchFailed         = 719
	NotPermitted         = 800
	SystemNotReady       = 802
	Unknown              = 999
)

// FailCall makes the n-th call from now of the function name fail, once: 1 is
// the next. The name is without suffix, as in Calls.
//
// A call that fails has done nothing, except that those that release something,
// such as cuMemFree, have released it: so the real ones do when they report what
// went wrong earlier.
func (s *Sim) FailCall(name string, n, result int) {
	s.control.failCall(name, uint64(n), uint64(result))
}

// FailNth makes the n-th call from now of any function fail, once, but for
// cuGetErrorName and cuGetErrorString.
func (s *Sim) FailNth(n, result int) { s.control.failNth(uint64(n), uint64(result)) }

// FailKernel makes the n-th kernel that is launched from now fail when it runs,
// of those named name or, if that is empty, of all. The error is sticky: it
// shows in later calls, all of which fail.
func (s *Sim) FailKernel(name string, n, result int) {
	s.control.failKernel(name, uint64(n), uint64(result))
}

// FailWork makes the n-th operation that writes memory, of those put on streams
// from now, fail when it is carried out: kernels, copies, fills, values, host
// functions. The error is sticky.
func (s *Sim) FailWork(n, result int) { s.control.failWork(uint64(n), uint64(result)) }

// Lose has a device fail now, with a sticky error: kernels that run there end,
// and nothing in its context works any more.
func (s *Sim) Lose(device, result int) { s.control.lose(uint64(device), uint64(result)) }

// Armed is the number of failures that have not happened yet.
func (s *Sim) Armed() int { return int(s.control.armed()) }

// Count is the number of calls of a function since the reset, or of all
// functions if name is empty.
func (s *Sim) Count(name string) int { return int(s.control.count(name)) }

// Calls is the number of calls since the reset of each function that was called.
func (s *Sim) Calls() map[string]int {
	calls := map[string]int{}
	for _, line := range lines(text(s.control.calls)) {
		var name string
		var n int
		if _, err := fmt.Sscan(line, &name, &n); err == nil {
			calls[name] = n
		}
	}
	return calls
}

// Live counts what exists.
type Live struct {
	Retained int // retains of primary contexts that were not released
	Pushed   int // contexts on the stacks of all threads

	Contexts, Streams, Events, Modules, Functions, Graphs int

	// Pieces of memory, and their bytes.
	Device, Pinned, Managed, Imported, Registered                          int
	DeviceBytes, PinnedBytes, ManagedBytes, ImportedBytes, RegisteredBytes int64
}

// Live counts what exists now.
func (s *Sim) Live() Live {
	var l Live
	counts := map[string]*int{"retained": &l.Retained, "pushed": &l.Pushed, "context": &l.Contexts, "stream": &l.Streams,
		"event": &l.Events, "module": &l.Modules, "function": &l.Functions, "graph": &l.Graphs,
		"device": &l.Device, "pinned": &l.Pinned, "managed": &l.Managed, "imported": &l.Imported, "registered": &l.Registered}
	bytes := map[string]*int64{"device_bytes": &l.DeviceBytes, "pinned_bytes": &l.PinnedBytes, "managed_bytes": &l.ManagedBytes,
		"imported_bytes": &l.ImportedBytes, "registered_bytes": &l.RegisteredBytes}
	for _, line := range lines(text(s.control.live)) {
		var name string
		var n int64
		if _, err := fmt.Sscan(line, &name, &n); err != nil {
			continue
		}
		if at, ok := counts[name]; ok {
			*at = int(n)
		} else if at, ok := bytes[name]; ok {
			*at = n
		}
	}
	return l
}

// Leaks lists what has not been released, a line each: objects, memory, retained
// and current contexts, and what was released only because its context was. It
// is empty if everything was.
func (s *Sim) Leaks() string { return text(s.control.leaks) }

// Faults lists what was done wrong since the reset or the last call of Faults.
func (s *Sim) Faults() []string {
	faults := lines(text(s.control.faults))
	s.control.forgetFaults()
	return faults
}

// Read copies memory at a device address, or pinned memory, whatever streams are
// doing, and without a call of the driver.
func (s *Sim) Read(address uint64, n int) ([]byte, error) {
	b := make([]byte, n)
	if n > 0 && s.control.read(&b[0], address, uint64(n)) == 0 {
		return nil, fmt.Errorf("cudasim: no %d bytes at %#x", n, address)
	}
	return b, nil
}

// Write is the counterpart of Read.
func (s *Sim) Write(address uint64, b []byte) error {
	if len(b) > 0 && s.control.write(address, &b[0], uint64(len(b))) == 0 {
		return fmt.Errorf("cudasim: no %d bytes at %#x", len(b), address)
	}
	return nil
}

// text calls a function that gives text, which may grow meanwhile.
func text(say func(at *byte, room uint64) uint64) string {
	for buffer := make([]byte, 4096); ; buffer = make([]byte, 2*len(buffer)) {
		if n := say(&buffer[0], uint64(len(buffer))); n < uint64(len(buffer)) {
			return string(buffer[:n])
		}
	}
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
