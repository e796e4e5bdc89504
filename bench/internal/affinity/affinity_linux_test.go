package affinity

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBind: ranks get different cores, and none when there are too few. The
// goroutine keeps its thread, which ends with it, so no other is bound.
func TestBind(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var allowed unix.CPUSet
		if err := unix.SchedGetaffinity(0, &allowed); err != nil {
			t.Error(err)
			return
		}
		if Bind(0, allowed.Count()+1) {
			t.Error("bound with fewer cores than ranks")
		}
		seen := map[unix.CPUSet]bool{}
		for rank := range allowed.Count() {
			if err := unix.SchedSetaffinity(0, &allowed); err != nil {
				t.Error(err)
				return
			}
			if !Bind(rank, allowed.Count()) {
				t.Errorf("rank %d is not bound", rank)
			}
			var now unix.CPUSet
			if err := unix.SchedGetaffinity(0, &now); err != nil || now.Count() != 1 {
				t.Errorf("rank %d has %d cores, %v", rank, now.Count(), err)
			}
			seen[now] = true
		}
		if len(seen) != allowed.Count() {
			t.Errorf("%d ranks on %d cores", allowed.Count(), len(seen))
		}
	}()
	<-done
}
