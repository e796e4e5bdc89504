package bootstrap

import (
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

// descriptors counts this process's open ones, or gives 0 where the system does
// not tell.
func descriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// settled waits for goroutines that are on their way out.
func settled(limit int) int {
	n := runtime.NumGoroutine()
	for end := time.Now().Add(3 * time.Second); n > limit && time.Now().Before(end); n = runtime.NumGoroutine() {
		time.Sleep(5 * time.Millisecond)
	}
	return n
}

// Nothing is left of worlds that were formed, broken, refused or given up.
func TestNothingIsLeft(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), descriptors()
	for i := range 5 {
		t.Run("formed", func(t *testing.T) { leaveAll(t, launch(t, 4, byID(t))) })
		t.Run("broken", func(t *testing.T) {
			world := launch(t, 4, byID(t))
			world[i%4].control.Fail(&transport.RankError{Rank: i % 4, Err: transport.ErrAborted})
			for r, m := range world {
				<-m.control.Done()
				if !errors.Is(m.control.Err(), transport.ErrAborted) {
					t.Errorf("rank %d: %v", r, m.control.Err())
				}
			}
		})
		t.Run("unused links", func(t *testing.T) {
			world := launch(t, 2, byID(t))
			for ch := range 5 {
				c, err := world[0].session.Dial(context.Background(), 1, ch)
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
			}
		})
		t.Run("refused", func(t *testing.T) {
			adjust := byID(t)
			launch(t, 3, func(r int, cfg *Config) { adjust(r, cfg); cfg.Size += r })
		})
		t.Run("given up", func(t *testing.T) {
			adjust := byID(t)
			launch(t, 2, func(r int, cfg *Config) { adjust(r, cfg); cfg.Size, cfg.Timeout = 3, 50*time.Millisecond })
		})
		t.Run("nobody there", func(t *testing.T) {
			addr := freePort(t)
			launch(t, 2, func(r int, cfg *Config) {
				cfg.Addr, cfg.Secret, cfg.Rank, cfg.Size, cfg.Timeout = addr, NewSecret(), 1, 3, 50*time.Millisecond
			})
		})
	}
	if n := settled(goroutines); n > goroutines {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before\n%s", n, goroutines, buf[:runtime.Stack(buf, true)])
	}
	if n := descriptors(); n > files {
		t.Errorf("%d descriptors, %d before", n, files)
	}
}
