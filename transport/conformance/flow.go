package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

// pause is how long a case waits for something to come to rest, such as bytes
// on their way into kernel buffers. A case stays correct if it takes longer.
const pause = 50 * time.Millisecond

// slotsWithoutPeer commits Slots full chunks before the peer has even asked for
// its end.
func slotsWithoutPeer(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s := r.sender(0, 1, 0)
	for id := range r.slots() {
		if err := put(r.ctx, s, uint64(id), r.slotSize()); err != nil {
			t.Fatal(err)
		}
	}
	v := r.receiver(0, 1, 0)
	for id := range r.slots() {
		if err := get(r.ctx, v, uint64(id), r.slotSize()); err != nil {
			t.Fatal(err)
		}
	}
}

// fillUp commits full chunks until Acquire waits, and returns their number.
func fillUp(r *rig, s transport.Sender) int {
	r.t.Helper()
	limit := int(r.maxInFlight() / int64(r.slotSize()))
	for count := 0; ; count++ {
		ctx, cancel := context.WithTimeout(r.ctx, pause)
		err := put(ctx, s, uint64(count), r.slotSize())
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded) && count >= r.slots():
			return count
		case err != nil:
			r.t.Fatalf("after %d chunks, Slots being %d: %v", count, r.slots(), err)
		case count >= limit:
			r.t.Fatalf("the link took %d chunks of %d bytes without the peer reading; want it to hold at most %d bytes",
				count+1, r.slotSize(), r.maxInFlight())
		}
	}
}

// putUntilError sends full chunks. On a link that is full it waits in Acquire,
// perhaps after a few more that have found room meanwhile.
func putUntilError(r *rig, s transport.Sender) error {
	for {
		if err := put(r.ctx, s, 0, r.slotSize()); err != nil {
			return err
		}
	}
}

// backpressure fills a link and has the receiver wake the sender.
func backpressure(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.link()
	count := fillUp(r, s)
	woken := make(chan error, 1)
	go func() { woken <- put(r.ctx, s, uint64(count), r.slotSize()) }()
	for id := range count + 1 {
		if err := get(r.ctx, v, uint64(id), r.slotSize()); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-woken; err != nil {
		t.Fatal(err)
	}
}

// contextOnlyWhenWaiting uses a dead context where nothing has to wait.
func contextOnlyWhenWaiting(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.link()
	dead, cancel := context.WithCancel(r.ctx)
	cancel()
	for id := range uint64(10) {
		if err := put(dead, s, id, 10); err != nil {
			t.Fatal(err)
		}
		// The chunk may take a moment until it is at hand.
		err := get(dead, v, id, 10)
		for errors.Is(err, context.Canceled) && r.ctx.Err() == nil {
			time.Sleep(pause / 50)
			err = get(dead, v, id, 10)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := v.Next(dead); err != context.Canceled {
		t.Fatalf("Next with a dead context and nothing there: %v, want context.Canceled itself", err)
	}
}

func cancelAcquire(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.link()
	count := fillUp(r, s)
	for i := range 3 {
		ctx, cancel := context.WithCancel(r.ctx)
		result := make(chan error, 1)
		go func() {
			_, err := s.Acquire(ctx)
			result <- err
		}()
		if i > 0 {
			time.Sleep(pause / 10)
		}
		cancel()
		// The link may have found room after all.
		if err := <-result; err != nil && err != context.Canceled {
			t.Fatalf("cancelled Acquire: %v, want context.Canceled itself", err)
		}
	}
	r.all(
		func() error { return put(r.ctx, s, uint64(count), 10) },
		func() error {
			for id := range count {
				if err := get(r.ctx, v, uint64(id), r.slotSize()); err != nil {
					return err
				}
			}
			return get(r.ctx, v, uint64(count), 10)
		},
	)
}

func cancelNext(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.link()
	for id := range uint64(5) {
		ctx, cancel := context.WithCancel(r.ctx)
		result := make(chan error, 1)
		go func() {
			_, _, err := v.Next(ctx)
			result <- err
		}()
		if id > 0 {
			time.Sleep(pause / 10)
		}
		cancel()
		if err := <-result; err != context.Canceled {
			t.Fatalf("cancelled Next: %v, want context.Canceled itself", err)
		}
		if err := put(r.ctx, s, id, 100); err != nil {
			t.Fatal(err)
		}
		if err := get(r.ctx, v, id, 100); err != nil {
			t.Fatal(err)
		}
	}
}

// cancelRacesChunk cancels a wait at the very moment when its chunk comes.
func cancelRacesChunk(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.link()
	for id := range uint64(300) {
		ctx, cancel := context.WithCancel(r.ctx)
		result := make(chan error, 1)
		go func() { result <- get(ctx, v, id, 100) }()
		time.Sleep(pause / 500)
		// The waiter has no time to act on one before the other happens.
		if id%2 == 0 {
			cancel()
		}
		if err := put(r.ctx, s, id, 100); err != nil {
			t.Fatal(err)
		}
		cancel()
		err := <-result
		if errors.Is(err, context.Canceled) {
			err = get(r.ctx, v, id, 100)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// cancelOften cancels waits at random moments, also amid a chunk, on both
// ends, and demands every chunk whole and in order nevertheless.
func cancelOften(t *testing.T, f Factory) {
	rng := random(t)
	r := newRig(t, f, 2)
	s, v := r.link()
	const chunks = 300
	var n [chunks]int
	for i := range n {
		n[i] = rng.IntN(r.slotSize() + 1)
		if i%3 == 0 {
			n[i] = rng.IntN(100)
		}
	}
	seeds := [2]uint64{rng.Uint64(), rng.Uint64()}
	// insist calls f with contexts that end soon, until it no longer says so.
	insist := func(seed, id uint64, f func(ctx context.Context) error) error {
		rng := rand.New(rand.NewPCG(seed, id))
		for r.ctx.Err() == nil {
			ctx, cancel := context.WithTimeout(r.ctx, time.Duration(rng.IntN(300))*time.Microsecond)
			err := f(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
		}
		return fmt.Errorf("chunk %d: %w", id, r.ctx.Err())
	}
	r.all(
		func() error {
			for id := range uint64(chunks) {
				err := insist(seeds[0], id, func(ctx context.Context) error { return put(ctx, s, id, n[id]) })
				if err != nil {
					return err
				}
			}
			return nil
		},
		func() error {
			for id := range uint64(chunks) {
				err := insist(seeds[1], id, func(ctx context.Context) error { return get(ctx, v, id, n[id]) })
				if err != nil {
					return err
				}
				if id%64 == 0 {
					time.Sleep(pause / 10) // let the sender run into the wall
				}
			}
			return nil
		},
	)
}
