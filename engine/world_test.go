package engine_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
)

// world is a communicator's ranks as goroutines of the test.
type world []*engine.Comm

// localWorld joins ranks through inproc.
func localWorld(t testing.TB, size int, cfg engine.Config) world {
	t.Helper()
	comms, err := engine.NewLocal(size, cfg)
	require.NoError(t, err)
	return keep(t, comms)
}

// tcpWorld joins ranks over loopback sockets, each initialised as a process of
// its own would be.
func tcpWorld(t testing.TB, size int, cfg engine.Config) world {
	return initWorld(t, size, cfg, "tcp")
}

// shmWorld is tcpWorld over shared memory.
func shmWorld(t testing.TB, size int, cfg engine.Config) world {
	return initWorld(t, size, cfg, "shm")
}

// rdmaWorld is tcpWorld over RDMA.
func rdmaWorld(t testing.TB, size int, cfg engine.Config) world {
	return initWorld(t, size, cfg, "rdma")
}

func initWorld(t testing.TB, size int, cfg engine.Config, transport string) world {
	t.Helper()
	id, err := engine.NewUniqueID()
	require.NoError(t, err)
	comms := make([]*engine.Comm, size)
	errs := make([]error, size)
	var wg sync.WaitGroup
	for rank := range size {
		wg.Go(func() {
			own := cfg
			own.ID, own.Rank, own.Size, own.Transport = id, rank, size, transport
			comms[rank], errs[rank] = engine.Init(context.Background(), own)
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	return keep(t, comms)
}

func keep(t testing.TB, w world) world {
	t.Cleanup(func() {
		var wg sync.WaitGroup
		for _, c := range w {
			wg.Go(func() { _ = c.Close() })
		}
		wg.Wait()
	})
	return w
}

// each runs one call on every rank at once and returns the ranks' errors. It
// fails the test when a rank has not returned within a minute.
func (w world) each(t testing.TB, call func(rank int, c *engine.Comm) error) []error {
	t.Helper()
	errs := make([]error, len(w))
	var wg sync.WaitGroup
	for rank, c := range w {
		wg.Go(func() { errs[rank] = call(rank, c) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("a rank hangs")
	}
	return errs
}

// must is each, and every rank has to succeed.
func (w world) must(t testing.TB, call func(rank int, c *engine.Comm) error) {
	t.Helper()
	for rank, err := range w.each(t, call) {
		if err != nil {
			t.Fatalf("rank %d: %v", rank, err)
		}
	}
}

// worlds makes a test run on every transport.
var worlds = map[string]func(testing.TB, int, engine.Config) world{
	"inproc": localWorld,
	"tcp":    tcpWorld,
}

func init() {
	if runtime.GOOS == "linux" { // nowhere else is there shared memory so far
		worlds["shm"] = shmWorld
	}
	if os.Getenv("MONEL_TEST_RDMA") == "1" { // make test-rdma has a device
		worlds["rdma"] = rdmaWorld
	}
}

var background = context.Background()
