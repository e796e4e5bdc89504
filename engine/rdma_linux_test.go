package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport/rdma"
)

// sumOf all-reduces x in place on both ranks of a world, after filling it with the
// value, and checks every element.
func sumOf(t *testing.T, w world, x [2][]float32, value float32) {
	t.Helper()
	w.must(t, func(rank int, c *engine.Comm) error {
		for i := range x[rank] {
			x[rank][i] = value + float32(rank) + float32(i%100)
		}
		y := strided.Of(x[rank])
		return c.AllReduce(background, y, y, engine.Sum)
	})
	for rank := range x {
		for i, got := range x[rank] {
			if want := 2*value + 1 + 2*float32(i%100); got != want {
				t.Fatalf("rank %d, element %d: %v, want %v", rank, i, got, want)
			}
		}
	}
}

func rdmaPair(t *testing.T) world {
	t.Helper()
	if os.Getenv("MONEL_TEST_RDMA") != "1" {
		t.Skip("needs an RDMA device: make test-rdma runs this on one, in a virtual machine")
	}
	return rdmaWorld(t, 2, engine.Config{Algorithm: "ring"})
}

const registered = 1 << 19 // elements: 2 MiB

// TestRegisteredOnce repeats calls on the same memory, which is registered by the
// first one, and on parts of it.
func TestRegisteredOnce(t *testing.T) {
	w := rdmaPair(t)
	x := [2][]float32{make([]float32, registered), make([]float32, registered)}
	for i := range 4 {
		sumOf(t, w, x, float32(i))
	}
	sumOf(t, w, [2][]float32{x[0][1000:300000], x[1][1000:300000]}, 9)
	for rank, c := range w {
		require.Equal(t, int64(1), engine.Registrations(c), "rank %d", rank)
	}
	runtime.KeepAlive(x)
}

// TestReusedHeap has memory of Go's heap become other objects at the same addresses:
// what is sent is the new content.
func TestReusedHeap(t *testing.T) {
	w := rdmaPair(t)
	seen, reused := map[uintptr]bool{}, 0
	for i := 0; i < 40 && reused < 3; i++ {
		x := [2][]float32{make([]float32, registered), make([]float32, registered)}
		for rank := range x {
			at := uintptr(unsafe.Pointer(&x[rank][0]))
			if seen[at] {
				reused++
			}
			seen[at] = true
		}
		sumOf(t, w, x, float32(i))
		x = [2][]float32{}
		debug.FreeOSMemory() // collects, and takes the pages from under the addresses
	}
	require.Positive(t, reused, "no address came again: this checks nothing")
	for rank, c := range w {
		require.Greater(t, engine.Registrations(c), int64(1), "rank %d", rank)
	}
}

// TestRemappedMemory has memory that is not Go's unmapped, and other pages mapped at
// its place.
func TestRemappedMemory(t *testing.T) {
	w := rdmaPair(t)
	const bytes = registered * 4
	var x [2][]float32
	var at [2]unsafe.Pointer
	for rank := range x {
		p, err := unix.MmapPtr(-1, 0, nil, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		require.NoError(t, err)
		at[rank], x[rank] = p, unsafe.Slice((*float32)(p), registered)
	}
	for i := range 3 {
		sumOf(t, w, x, float32(i))
		for rank := range x {
			require.NoError(t, unix.MunmapPtr(at[rank], bytes))
			p, err := unix.MmapPtr(-1, 0, at[rank], bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED)
			require.NoError(t, err)
			require.Equal(t, at[rank], p)
		}
	}
	for rank := range x {
		require.NoError(t, unix.MunmapPtr(at[rank], bytes))
		require.Zero(t, engine.Lent(w[rank]), "nobody has spoken for it")
	}
}

// TestRegisteredByOwner has memory that is not Go's registered by its owner: it is sent
// from where it lies until it is deregistered. What is mapped in its place later is
// other memory, registered or not.
func TestRegisteredByOwner(t *testing.T) {
	w := rdmaPair(t)
	const bytes = registered * 4
	var x [2][]float32
	var at [2]unsafe.Pointer
	for round := range 4 {
		var handles [2]*engine.Registration
		for rank := range x {
			flags := unix.MAP_PRIVATE | unix.MAP_ANON
			if round > 0 {
				flags |= unix.MAP_FIXED
			}
			p, err := unix.MmapPtr(-1, 0, at[rank], bytes, unix.PROT_READ|unix.PROT_WRITE, flags)
			require.NoError(t, err)
			at[rank], x[rank] = p, unsafe.Slice((*float32)(p), registered)
			if round%2 == 0 {
				handles[rank], err = w[rank].Register(unsafe.Slice((*byte)(p), bytes))
				require.NoError(t, err)
				require.True(t, handles[rank].Direct())
			}
		}
		before := [2]int64{engine.Lent(w[0]), engine.Lent(w[1])}
		sumOf(t, w, x, float32(10*round))
		sumOf(t, w, [2][]float32{x[0][1000:300000], x[1][1000:300000]}, float32(10*round+1))
		for rank, c := range w {
			require.Equal(t, round%2 == 0, engine.Lent(c) > before[rank], "round %d, rank %d", round, rank)
			require.Equal(t, int64(round/2+1), engine.Registrations(c))
			if handles[rank] != nil {
				require.NoError(t, handles[rank].Deregister())
				require.NoError(t, handles[rank].Deregister())
			}
			require.NoError(t, unix.MunmapPtr(at[rank], bytes))
		}
	}
	_, err := w[0].Register(nil)
	require.ErrorIs(t, err, engine.ErrInvalidArgument)
}

// TestWithoutRDMA asks for RDMA where there is none: if nothing else is allowed,
// every rank hears what is missing and where; by default, nobody notices.
func TestWithoutRDMA(t *testing.T) {
	if len(rdma.Ports()) > 0 {
		t.Skip("this machine has an RDMA device")
	}
	id, err := engine.NewUniqueID()
	require.NoError(t, err)
	var wg sync.WaitGroup
	for rank := range 3 {
		wg.Go(func() {
			_, err := engine.Init(context.Background(), engine.Config{ID: id, Rank: rank, Size: 3, Transport: "rdma"})
			var re *engine.RankError
			if !errors.As(err, &re) || !errors.Is(err, engine.ErrUnavailable) {
				t.Errorf("rank %d: %v, want a *RankError that wraps ErrUnavailable", rank, err)
			}
		})
	}
	wg.Wait()
	logged := new(logged)
	r, err := func() (*engine.Registration, error) {
		c := initWorld(t, 2, engine.Config{}, "tcp")[0]
		return c.Register(make([]byte, 100))
	}()
	require.NoError(t, err)
	require.False(t, r.Direct(), "sockets have no use for it")
	require.NoError(t, r.Deregister())
	w := initWorld(t, 2, engine.Apart(engine.Config{Logger: slog.New(logged)}), "auto")
	require.Equal(t, "tcp", w[0].Transport())
	require.Zero(t, logged.count, "what is usual is not worth a word")
}

// logged counts what is logged.
type logged struct {
	mu    sync.Mutex
	count int
}

func (l *logged) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *logged) WithGroup(string) slog.Handler { return l }

func (l *logged) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l *logged) Handle(context.Context, slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	return nil
}
