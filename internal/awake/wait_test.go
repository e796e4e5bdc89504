package awake

import (
	"testing"
	"testing/synctest"
	"time"
)

// A wait lasts as long as it should while the process runs, and what the process sleeps
// longer if it does not; after a sleep it always lasts another look.
func TestWait(t *testing.T) {
	const d = 400 * time.Millisecond
	asleep := func(at, for_ time.Duration) func(time.Duration) time.Duration {
		return func(now time.Duration) time.Duration {
			if now > at && now < at+for_ {
				return at + for_ - now
			}
			return 0
		}
	}
	for name, c := range map[string]struct {
		sleeps   func(now time.Duration) time.Duration // when a look ends
		from, to time.Duration
	}{
		"awake":                {func(time.Duration) time.Duration { return 0 }, d, d},
		"always a little late": {func(time.Duration) time.Duration { return Step - time.Millisecond }, d, 2 * d},
		"asleep at first":      {asleep(0, time.Second), time.Second + d - Step, time.Second + d},
		"asleep at the end":    {asleep(d-Step/2, time.Second), d - Step/2 + time.Second + Step, d + time.Second + Step},
		"asleep all the time":  {func(time.Duration) time.Duration { return time.Second }, d, time.Duration(mostLate+10) * (time.Second + Step)},
		"asleep to the end":    {asleep(0, d-1), d - 1 + d - Step, 2 * d},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				w := NewWait(d)
				for look := w.Next(); look > 0; look = w.Next() {
					time.Sleep(look)
					time.Sleep(c.sleeps(time.Since(began)))
					w.Look()
				}
				if took := time.Since(began); took < c.from || took > c.to {
					t.Errorf("took %v, want from %v to %v", took, c.from, c.to)
				}
			})
		})
	}
}
