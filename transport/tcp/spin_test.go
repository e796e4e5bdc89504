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
		s := newSpin(limit)
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
		never := newSpin(-1)
		if got := polls(&never, time.Microsecond, 10*spinProbe); got != 0 {
			t.Errorf("with polling off: polled %d times", got)
		}
	})
}

func TestDefaultSpin(t *testing.T) {
	for _, c := range []struct {
		localRanks, cores int
		want              time.Duration
	}{
		{0, 1, -1}, {1, 1, -1}, {2, 1, -1},
		{0, 2, DefaultSpin}, {2, 2, DefaultSpin}, {1, 64, DefaultSpin},
		{3, 2, DefaultSpin / 10}, {8, 2, DefaultSpin / 10},
	} {
		if got := defaultSpin(c.localRanks, c.cores); got != c.want {
			t.Errorf("%d ranks on %d cores: %v, want %v", c.localRanks, c.cores, got, c.want)
		}
	}
}
