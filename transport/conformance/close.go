package conformance

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

// closeWakesWaiters closes a mesh whose ends wait: one for a slot, one for a
// chunk, one for the first chunk of a link that the peer has not made.
func closeWakesWaiters(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	full := r.sender(0, 1, 0)
	fillUp(r, full)
	r.sender(1, 0, 1)
	waiters := []func() error{
		func() error { return putUntilError(r, full) },
		next(r, r.receiver(1, 0, 1)),
		next(r, r.receiver(1, 0, 2)),
	}
	results := make(chan error, len(waiters))
	for _, wait := range waiters {
		go func() { results <- wait() }()
	}
	time.Sleep(pause)
	if err := r.Meshes[0].Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for range waiters {
		if err := wantIs(<-results, transport.ErrClosed); err != nil {
			t.Error(err)
		}
	}
}

func next(r *rig, v transport.Receiver) func() error {
	return func() error {
		_, _, err := v.Next(r.ctx)
		return err
	}
}

// closeRacesUse closes both meshes while links are made and used.
func closeRacesUse(t *testing.T, f Factory) {
	rng := random(t)
	for range 10 {
		r := newRig(t, f, 2)
		left := 1 + rng.IntN(200) // chunks until the meshes are closed
		now := make(chan struct{})
		use := func(rank int) error {
			for channel := 0; ; channel++ {
				s, err := r.Meshes[rank].Sender(r.ctx, 1-rank, channel)
				if err != nil {
					return err
				}
				v, err := r.Meshes[rank].Receiver(r.ctx, 1-rank, channel)
				if err != nil {
					return err
				}
				for id := range uint64(20) {
					if err := put(r.ctx, s, id, 64); err != nil {
						return err
					}
					if err := get(r.ctx, v, id, 64); err != nil {
						return err
					}
					if rank == 0 {
						if left--; left == 0 {
							close(now)
						}
					}
				}
			}
		}
		ended := func(rank int) func() error {
			return func() error {
				err := use(rank)
				if errors.Is(err, transport.ErrClosed) || wantLost(err, 1-rank) == nil {
					return nil
				}
				return fmt.Errorf("rank %d, meshes being closed: %w", rank, err)
			}
		}
		closed := func(rank int) func() error {
			return func() error {
				select {
				case <-now:
				case <-r.ctx.Done():
				}
				return r.Meshes[rank].Close()
			}
		}
		r.all(ended(0), ended(1), closed(0), closed(1), closed(0))
		r.close()
	}
}

func afterClose(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.sender(0, 1, 0), r.receiver(1, 0, 0)
	acquired := r.sender(0, 1, 1)
	if _, err := acquired.Acquire(r.ctx); err != nil {
		t.Fatal(err)
	}
	held := r.receiver(1, 0, 1)
	if err := put(r.ctx, r.sender(1, 0, 1), 0, 10); err != nil {
		t.Fatal(err)
	}
	if _, _, err := held.Next(r.ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Meshes[0].Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	_, acquireErr := s.Acquire(r.ctx)
	_, senderErr := r.Meshes[0].Sender(r.ctx, 1, 0)
	_, receiverErr := r.Meshes[0].Receiver(r.ctx, 1, 5)
	for what, err := range map[string]error{
		"Acquire":                  acquireErr,
		"Commit of a held slot":    acquired.Commit(header(0), 10),
		"Next":                     next(r, v)(),
		"Next while holding chunk": next(r, held)(),
		"Sender":                   senderErr,
		"Receiver":                 receiverErr,
	} {
		if err := wantIs(err, transport.ErrClosed); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	held.Release()
}

// closeDelivers closes right after the last Commit, with all slots under way.
func closeDelivers(t *testing.T, f Factory) {
	for _, n := range []int{0, 10, -1} {
		r := newRig(t, f, 2)
		if n < 0 {
			n = r.slotSize()
		}
		s, v := r.link()
		r.all(
			func() error {
				for id := range r.slots() {
					if err := put(r.ctx, s, uint64(id), n); err != nil {
						return err
					}
				}
				return r.Meshes[0].Close()
			},
			func() error {
				for id := range r.slots() {
					if err := get(r.ctx, v, uint64(id), n); err != nil {
						return err
					}
				}
				for range 2 {
					if err := wantLost(next(r, v)(), 0); err != nil {
						return fmt.Errorf("after the last chunk: %w", err)
					}
				}
				return nil
			},
		)
		r.close()
	}
}

// closeWithoutReader closes a mesh with chunks under way that nobody reads, and
// then the peer's.
func closeWithoutReader(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	fillUp(r, r.sender(0, 1, 0))
	closed := make(chan error, 1)
	go func() { closed <- r.Meshes[0].Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Fatalf("Close: %v", err)
		}
	case <-r.ctx.Done():
		t.Fatal("Close waits for a peer that does not read")
	}
}
