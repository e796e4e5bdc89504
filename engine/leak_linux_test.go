package engine_test

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided/dtype"
)

// holdings is what this process holds of the system. Segments of shared memory
// are descriptors or mappings of it.
type holdings struct{ goroutines, descriptors, mappings, threads int }

func (h holdings) more(than holdings) bool {
	return h.goroutines > than.goroutines || h.descriptors > than.descriptors || h.mappings > than.mappings
}

func count(t *testing.T) (h holdings) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	// Mappings of files and of segments; the Go heap's are its own business.
	named := 0
	for line := range bytes.Lines(maps) {
		if fields := bytes.Fields(line); len(fields) > 5 && fields[5][0] == '/' {
			named++
		}
	}
	return holdings{runtime.NumGoroutine(), len(fds), named, len(tasks)}
}

// TestNothingLeaks joins and leaves worlds again and again, using them in
// between, and compares what the process holds before and after: 60 worlds, or
// as many as MONEL_CYCLES says.
func TestNothingLeaks(t *testing.T) {
	cycles := 60
	if n, err := strconv.Atoi(os.Getenv("MONEL_CYCLES")); err == nil {
		cycles = n
	}
	transports := []string{"tcp", "shm"}
	cycle := func(i int) {
		t.Run("", func(t *testing.T) { // whose end closes the world
			w := initWorld(t, 2, engine.Config{ChunkBytes: 4096}, transports[i%2])
			w.must(t, func(rank int, c *engine.Comm) error {
				return reduceInPlace(c, layoutNamed("transpose").place(t, dtype.Float32, []int64{30, 70}), engine.Sum)
			})
		})
	}
	for i := range 10 {
		cycle(i)
	}
	before := count(t)
	for i := range cycles {
		cycle(i)
	}
	// The last sockets and goroutines of a world may take a moment to go.
	after := count(t)
	for deadline := time.Now().Add(10 * time.Second); after.more(before) && time.Now().Before(deadline); after = count(t) {
		time.Sleep(20 * time.Millisecond)
		runtime.GC()
	}
	require.False(t, after.more(before), "before %+v, after %d worlds %+v", before, cycles, after)
	t.Logf("%d worlds: before %+v, after %+v", cycles, before, after)
}
