package tcp

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSpinFollowsSuccess(t *testing.T) {
	const limit = 50 * time.Microsecond
	// polls goes through waits of which those that are polled take a look each
	// microsecond, and returns how many were polled.
	polls := func(s *spin, wait time.Duration, waits int) (polled int) {
		for range waits {
			var p polling
			begun := time.Now()
			looks := 0
			for p.again(s) && time.Since(begun) < wait {
				looks++
				time.Sleep(time.Microsecond)
			}
			if looks > 0 {
				polled++
			}
			p.success()
		}
		return polled
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSpin(limit, false)
		if got := polls(&s, 5*time.Microsecond, 100); got != 100 {
			t.Errorf("short waits: polled %d of 100", got)
		}
		polls(&s, time.Second, 1) // one pause
		if got := polls(&s, 5*time.Microsecond, 100); got != 100 {
			t.Errorf("short waits after one pause: polled %d of 100", got)
		}
		polls(&s, time.Millisecond, 50)
		if got := polls(&s, time.Millisecond, 10*(spinProbe+1)); got != 10 {
			t.Errorf("long waits: polled %d of %d, want one in %d", got, 10*(spinProbe+1), spinProbe+1)
		}
		polls(&s, 5*time.Microsecond, 2*spinProbe)
		if got := polls(&s, 5*time.Microsecond, 100); got != 100 {
			t.Errorf("short waits again: polled %d of 100", got)
		}
		never := newSpin(-1, false)
		if got := polls(&never, time.Microsecond, 10*spinProbe); got != 0 {
			t.Errorf("with polling off: polled %d times", got)
		}
	})
}

func TestDefaultSpin(t *testing.T) {
	if got := defaultSpin(1); got >= 0 {
		t.Errorf("on one core: polls for %v", got)
	}
	if got := defaultSpin(2); got != DefaultSpin {
		t.Errorf("on two cores: polls for %v", got)
	}
}
