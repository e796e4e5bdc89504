package tcp

import (
	"testing"
	"time"
)

func TestSpinFollowsWaits(t *testing.T) {
	const limit = 50 * time.Microsecond
	polls := func(s *spin, wait time.Duration, waits int) (polled int) {
		for range waits {
			if s.budget() > 0 {
				polled++
			}
			s.observe(wait)
		}
		return polled
	}
	s := &spin{limit: limit}
	if got := polls(s, 5*time.Microsecond, 100); got != 100 {
		t.Errorf("short waits: polled %d of 100", got)
	}
	polls(s, time.Second, 1) // one pause
	if got := polls(s, 5*time.Microsecond, 100); got != 100 {
		t.Errorf("short waits after one pause: polled %d of 100", got)
	}
	polls(s, time.Millisecond, 50)
	if got := polls(s, time.Millisecond, 100*spinProbe); got < 90 || got > 110 {
		t.Errorf("long waits: polled %d of %d, want about one in %d", got, 100*spinProbe, spinProbe)
	}
	polls(s, 5*time.Microsecond, 50)
	if got := polls(s, 5*time.Microsecond, 100); got != 100 {
		t.Errorf("short waits again: polled %d of 100", got)
	}
	never := &spin{limit: -1}
	if got := polls(never, time.Microsecond, 10*spinProbe); got != 0 {
		t.Errorf("with polling off: polled %d times", got)
	}
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
