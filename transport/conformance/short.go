package conformance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/monel-dev/monel/transport"
)

// short sends chunks by SendShort and otherwise, into a link that is full at times, and
// gives up some waits.
func short(t *testing.T, f Factory) {
	rng := random(t)
	r := newRig(t, f, 2)
	plain, v := r.link()
	s, ok := plain.(transport.ShortSender)
	if ok != r.Short {
		t.Fatalf("the sender is a transport.ShortSender: %v, World.Short: %v", ok, r.Short)
	}
	if !ok {
		return
	}
	const chunks = 2000
	var n [chunks]int
	for i := range n {
		n[i] = []int{0, 1, rng.IntN(100), 64, 72, 73, rng.IntN(r.slotSize() + 1), r.slotSize()}[rng.IntN(8)]
	}
	sendShort := func(ctx context.Context, id uint64) error {
		payload := make([]byte, n[id])
		sequence(payload, id)
		err := s.SendShort(ctx, header(id), payload)
		clear(payload)
		if err != nil {
			return fmt.Errorf("sending chunk %d: %w", id, err)
		}
		return nil
	}
	gaveUp := 0
	r.all(
		func() error {
			for id := range uint64(chunks) {
				var err error
				switch id % 4 {
				case 0:
					err = put(r.ctx, s, id, n[id])
				case 1: // a slot is acquired, and given up
					if _, err = s.Acquire(r.ctx); err == nil {
						err = sendShort(r.ctx, id)
					}
				default:
					ctx, cancel := context.WithTimeout(r.ctx, time.Duration(id%3)*10*time.Microsecond)
					if err = sendShort(ctx, id); errors.Is(err, context.DeadlineExceeded) && r.ctx.Err() == nil {
						gaveUp++
						err = sendShort(r.ctx, id)
					}
					cancel()
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
		func() error {
			for id := range uint64(chunks) {
				if err := get(r.ctx, v, id, n[id]); err != nil {
					return err
				}
				if id%200 == 0 {
					time.Sleep(pause / 5) // let the sender run into the wall
				}
			}
			return nil
		},
	)
	t.Logf("%d waits were given up", gaveUp)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("SendShort of more than a slot does not panic")
			}
		}()
		_ = s.SendShort(r.ctx, header(0), make([]byte, r.slotSize()+1))
	}()
	if err := r.Meshes[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.SendShort(r.ctx, header(0), []byte{1}); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("SendShort after Close: %v", err)
	}
}
