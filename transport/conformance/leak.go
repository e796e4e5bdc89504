package conformance

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// noLeak makes, uses and closes a world several times and then demands that
// the process has no more goroutines and descriptors than after the first.
func noLeak(t *testing.T, f Factory) {
	leakCheck(t, func() {
		const ranks = 3
		r := newRig(t, f, ranks)
		r.each(func(rank int) error {
			for channel := range 2 {
				right, left := (rank+1)%ranks, (rank+ranks-1)%ranks
				s, v := r.sender(rank, right, channel), r.receiver(left, rank, channel)
				for id := range uint64(10) {
					if err := put(r.ctx, s, id, r.slotSize()); err != nil {
						return err
					}
					if err := get(r.ctx, v, id, r.slotSize()); err != nil {
						return err
					}
				}
				// A link that the peer never asks for, and one that never comes.
				r.sender(rank, right, 10+channel)
				r.receiver(left, rank, 20+channel)
			}
			return nil
		})
		r.close()
	})
}

func noLeakAfterDeath(t *testing.T, f Factory) {
	leakCheck(t, func() {
		r := newRig(t, f, 2)
		s := r.sender(0, 1, 0)
		fillUp(r, s)
		r.Kill(1)
		if err := wantLost(putUntilError(r, s), 1); err != nil {
			t.Fatal(err)
		}
		r.close()
	})
}

func leakCheck(t *testing.T, f func()) {
	t.Helper()
	f() // what the process keeps for good, such as its epoll descriptor
	before := census()
	for range 4 {
		f()
	}
	// Goroutines that have finished their work may take a moment to vanish. In a
	// synctest bubble sleeping takes no time, so others are let run besides.
	var after resources
	for range 1000 {
		if after = census(); after.goroutines <= before.goroutines && after.files <= before.files {
			return
		}
		for range 100 {
			runtime.Gosched()
		}
		time.Sleep(pause)
	}
	stacks := make([]byte, 1<<16)
	t.Fatalf("before: %v; after four more worlds: %v\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
}

// resources is what a process holds.
type resources struct{ goroutines, files int }

func (r resources) String() string {
	return fmt.Sprintf("%d goroutines, %d open files", r.goroutines, r.files)
}

func census() resources {
	files, err := os.ReadDir("/dev/fd") // a link to /proc/self/fd on Linux
	if errors.Is(err, os.ErrNotExist) {
		files = nil // no such view of descriptors on this system: goroutines only
	}
	return resources{runtime.NumGoroutine(), len(files)}
}
