package inproc_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monel-dev/monel/transport"
	"github.com/monel-dev/monel/transport/conformance"
	"github.com/monel-dev/monel/transport/inproc"
)

func world(opts inproc.Options) conformance.Factory {
	return func(_ *testing.T, ranks int) *conformance.World {
		w := &conformance.World{}
		meshes := inproc.NewWorld(ranks, opts)
		for _, m := range meshes {
			w.Meshes = append(w.Meshes, m)
		}
		w.Kill = func(rank int) { meshes[rank].Kill() }
		return w
	}
}

func TestConformance(t *testing.T) {
	for name, opts := range map[string]inproc.Options{
		"default":    {},
		"two slots":  {Slots: 2, SlotSize: 4096},
		"tiny slots": {Slots: 3, SlotSize: 1000, Poison: true},
	} {
		t.Run(name, func(t *testing.T) { conformance.Run(t, world(opts)) })
	}
}

// TestConformanceInBubble runs the suite under synctest, which proves that
// nothing here waits in a way that a bubble cannot see.
func TestConformanceInBubble(t *testing.T) {
	for _, c := range conformance.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.Run(t, world(inproc.Options{})) })
		})
	}
}

func TestWaitIsVisibleToBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inproc.NewWorld(2, inproc.Options{})
		v, err := w[1].Receiver(t.Context(), 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		if _, _, err := v.Next(ctx); err != context.DeadlineExceeded {
			t.Fatalf("Next: %v", err)
		}
		if waited := time.Since(start); waited != time.Hour {
			t.Fatalf("waited %v of the bubble's time, want an hour", waited)
		}
	})
}

// TestLargeWorld runs a ring of 512 ranks at the default slot size and bounds
// the memory that it takes.
func TestLargeWorld(t *testing.T) {
	const ranks, chunks = 512, 20
	w := inproc.NewWorld(ranks, inproc.Options{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	errs := make([]error, ranks)
	var wg sync.WaitGroup
	for rank := range ranks {
		wg.Go(func() {
			errs[rank] = func() error {
				s, err := w[rank].Sender(t.Context(), (rank+1)%ranks, 0)
				if err != nil {
					return err
				}
				v, err := w[rank].Receiver(t.Context(), (rank+ranks-1)%ranks, 0)
				if err != nil {
					return err
				}
				for i := range chunks {
					slot, err := s.Acquire(t.Context())
					if err != nil {
						return err
					}
					slot[0] = byte(i)
					if err := s.Commit(&transport.Header{}, 1); err != nil {
						return err
					}
					_, p, err := v.Next(t.Context())
					if err != nil {
						return err
					}
					if len(p) != 1 || p[0] != byte(i) {
						return fmt.Errorf("chunk %d: %v", i, p)
					}
					v.Release()
				}
				return nil
			}()
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	limit := uint64(ranks * inproc.DefaultSlots * (inproc.DefaultSlotSize + 1<<10))
	if grown := after.TotalAlloc - before.TotalAlloc; grown > limit {
		t.Errorf("allocated %d MiB, want at most %d: the slots of one link for each rank", grown>>20, limit>>20)
	}
}

func TestNewWorldRefusesNonsense(t *testing.T) {
	for _, c := range []struct {
		ranks int
		opts  inproc.Options
	}{
		{0, inproc.Options{}}, {-1, inproc.Options{}},
		{2, inproc.Options{SlotSize: -1}}, {2, inproc.Options{Slots: 1}}, {2, inproc.Options{Slots: -1}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewWorld(%d, %+v) does not panic", c.ranks, c.opts)
				}
			}()
			inproc.NewWorld(c.ranks, c.opts)
		}()
	}
}

func TestPoison(t *testing.T) {
	w := inproc.NewWorld(2, inproc.Options{Poison: true})
	s, err := w[0].Sender(t.Context(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	v, err := w[1].Receiver(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(&transport.Header{}, 3); err != nil {
		t.Fatal(err)
	}
	_, p, err := v.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v.Release()
	if p[0] != 0xdb || p[1] != 0xdb || p[2] != 0xdb {
		t.Errorf("payload after Release: %x, want it overwritten", p)
	}
}

func BenchmarkPingPong(b *testing.B) {
	w := inproc.NewWorld(2, inproc.Options{})
	b.SetBytes(8)
	conformance.PingPong(b, w[0], w[1], 8)
}

func ExampleNewWorld() {
	ctx := context.Background()
	w := inproc.NewWorld(2, inproc.Options{})
	go func() {
		s, _ := w[0].Sender(ctx, 1, 0)
		slot, _ := s.Acquire(ctx)
		n := copy(slot, "hello")
		_ = s.Commit(&transport.Header{}, n)
	}()
	r, _ := w[1].Receiver(ctx, 0, 0)
	_, payload, _ := r.Next(ctx)
	fmt.Printf("%s\n", payload)
	r.Release()
	// Output: hello
}
