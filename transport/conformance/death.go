package conformance

import (
	"fmt"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

func deathWakesNext(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	_, v := r.link()
	result := make(chan error, 1)
	go func() { result <- next(r, v)() }()
	time.Sleep(pause)
	r.Kill(0)
	if err := wantLost(<-result, 0); err != nil {
		t.Fatal(err)
	}
	if err := wantLost(next(r, v)(), 0); err != nil {
		t.Fatalf("asked again: %v", err)
	}
}

func deathWakesAcquire(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, _ := r.link()
	fillUp(r, s)
	result := make(chan error, 1)
	go func() { result <- putUntilError(r, s) }()
	time.Sleep(pause)
	r.Kill(1)
	if err := wantLost(<-result, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Acquire(r.ctx); wantLost(err, 1) != nil {
		t.Fatalf("asked again: %v", wantLost(err, 1))
	}
}

// deathFailsSender has a sender that never runs out of slots notice its
// receiver's death, on a link that was used and on one that was not.
func deathFailsSender(t *testing.T, f Factory) {
	for _, used := range []bool{true, false} {
		r := newRig(t, f, 2)
		s, v := r.link()
		if used {
			if err := put(r.ctx, s, 0, 10); err != nil {
				t.Fatal(err)
			}
			if err := get(r.ctx, v, 0, 10); err != nil {
				t.Fatal(err)
			}
		}
		r.Kill(1)
		var err error
		for err == nil && r.ctx.Err() == nil {
			err = put(r.ctx, s, 1, 0)
			time.Sleep(pause / 50)
		}
		if err := wantLost(err, 1); err != nil {
			t.Fatalf("link used: %v: %v", used, err)
		}
		if err := wantLost(put(r.ctx, s, 2, 0), 1); err != nil {
			t.Fatalf("link used: %v, asked again: %v", used, err)
		}
		r.close()
	}
}

// deathMidStream kills a sender at random moments. What its peer has received
// until then is whole and in order.
func deathMidStream(t *testing.T, f Factory) {
	rng := random(t)
	for range 10 {
		r := newRig(t, f, 2)
		s, v := r.link()
		size := func(i int) int { return (i * 7919) % (r.slotSize() + 1) }
		left := 1 + rng.IntN(200) // chunks until the death
		now := make(chan struct{})
		r.all(
			func() error {
				for i := 0; ; i++ {
					if err := put(r.ctx, s, uint64(i), size(i)); err != nil {
						return ignoreOwnDeath(r, err)
					}
					if left--; left == 0 {
						close(now)
					}
				}
			},
			func() error {
				for i := 0; ; i++ {
					err := get(r.ctx, v, uint64(i), size(i))
					if wantLost(err, 0) == nil {
						return nil
					}
					if err != nil {
						return err
					}
				}
			},
			func() error {
				select {
				case <-now:
				case <-r.ctx.Done():
				}
				r.Kill(0)
				return nil
			},
		)
		r.close()
	}
}

// ignoreOwnDeath accepts any end of a rank that was killed, short of a hang.
func ignoreOwnDeath(r *rig, err error) error {
	if r.ctx.Err() != nil {
		return fmt.Errorf("a killed rank still waits: %w", err)
	}
	return nil
}

func deathSparesOthers(t *testing.T, f Factory) {
	const ranks, dead = 4, 3
	r := newRig(t, f, ranks)
	exchange := func(from uint64, ranks int) {
		t.Helper()
		r.each(func(rank int) error {
			if rank >= ranks {
				return nil
			}
			var s []transport.Sender
			for peer := range ranks {
				if peer != rank {
					s = append(s, r.sender(rank, peer, 0))
				}
			}
			for id := from; id < from+5; id++ {
				for i := range s {
					if err := put(r.ctx, s[i], id, 1000); err != nil {
						return err
					}
				}
				for peer := range ranks {
					if peer == rank {
						continue
					}
					if err := get(r.ctx, r.receiver(peer, rank, 0), id, 1000); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	exchange(0, ranks)
	r.Kill(dead)
	exchange(5, dead)
	for rank := range dead {
		if err := wantLost(next(r, r.receiver(dead, rank, 0))(), dead); err != nil {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}
