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

// direct returns both ends of the link 0->1 if they can work on the caller's
// memory, as World.Direct says; else false.
func (r *rig) direct() (transport.DirectSender, transport.DirectReceiver, bool) {
	r.t.Helper()
	s, v := r.link()
	ds, sends := s.(transport.DirectSender)
	dv, receives := v.(transport.DirectReceiver)
	if sends != r.Direct || receives != r.Direct {
		r.t.Fatalf("the sender is direct: %v, the receiver is: %v, World.Direct: %v", sends, receives, r.Direct)
	}
	return ds, dv, r.Direct
}

// send is put out of memory that the caller uses for something else right after.
func send(ctx context.Context, s transport.DirectSender, memory []byte, id uint64) error {
	sequence(memory, id)
	err := s.Send(ctx, header(id), memory)
	sequence(memory, ^id)
	if err != nil {
		return fmt.Errorf("sending chunk %d: %w", id, err)
	}
	return nil
}

// fill is get into memory between guards.
func fill(ctx context.Context, v transport.DirectReceiver, memory []byte, id uint64, n int) error {
	h, length, err := v.Head(ctx)
	if err != nil {
		return fmt.Errorf("waiting for the header of chunk %d: %w", id, err)
	}
	if length != n {
		return fmt.Errorf("chunk %d: %d bytes announced, want %d", id, length, n)
	}
	const guard = 64
	sequence(memory, ^id)
	dst := memory[guard : guard+n]
	if err := v.Fill(ctx, dst); err != nil {
		return fmt.Errorf("filling memory with chunk %d: %w", id, err)
	}
	if err := verify(h, dst, id, n); err != nil {
		return err
	}
	sequence(dst, ^id+guard)
	v.Release()
	for i, b := range [][]byte{memory[:guard], memory[guard+n:]} {
		want := make([]byte, len(memory))
		sequence(want, ^id)
		if string(b) != string([][]byte{want[:guard], want[guard+n:]}[i]) {
			return fmt.Errorf("chunk %d: memory around the payload was written", id)
		}
	}
	return nil
}

// directAnyWay sends and receives chunks by every combination of ways.
func directAnyWay(t *testing.T, f Factory) {
	rng := random(t)
	r := newRig(t, f, 2)
	s, v, ok := r.direct()
	if !ok {
		return
	}
	const chunks = 240
	var n [chunks]int
	for i := range n {
		n[i] = []int{0, 1, rng.IntN(100), rng.IntN(r.slotSize() + 1), r.slotSize()}[rng.IntN(5)]
	}
	r.all(
		func() error {
			memory := make([]byte, r.slotSize())
			for id := range uint64(chunks) {
				var err error
				if id%3 == 0 {
					err = put(r.ctx, s, id, n[id])
				} else {
					err = send(r.ctx, s, memory[:n[id]], id)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
		func() error {
			memory := make([]byte, r.slotSize()+128)
			for id := range uint64(chunks) {
				var err error
				switch id % 4 {
				case 0: // seen, and then received into the slot
					if _, _, err = v.Head(r.ctx); err == nil {
						err = get(r.ctx, v, id, n[id])
					}
				case 1:
					err = get(r.ctx, v, id, n[id])
				default:
					err = fill(r.ctx, v, memory, id, n[id])
				}
				if err != nil {
					return err
				}
				if id%32 == 0 {
					time.Sleep(pause / 10) // let the sender run into the wall
				}
			}
			return nil
		},
	)
}

// directCancelOften ends waits for room, for heads and amid payloads, and
// demands every chunk whole nevertheless, in the slot where memory is given up.
func directCancelOften(t *testing.T, f Factory) {
	rng := random(t)
	seed := rng.Uint64()
	r := newRig(t, f, 2)
	s, v, ok := r.direct()
	if !ok {
		return
	}
	const chunks = 200
	size := func(id uint64) int { return int(id*7919) % (r.slotSize() + 1) }
	soon := func(seed, id, attempt uint64) (context.Context, context.CancelFunc) {
		rng := rand.New(rand.NewPCG(seed+id, attempt))
		return context.WithTimeout(r.ctx, time.Duration(rng.IntN(200))*time.Microsecond)
	}
	r.all(
		func() error {
			memory := make([]byte, r.slotSize())
			for id := range uint64(chunks) {
				for attempt := uint64(0); ; attempt++ {
					ctx, cancel := soon(seed, id, attempt)
					err := send(ctx, s, memory[:size(id)], id)
					cancel()
					if err == nil {
						break
					}
					if !errors.Is(err, context.DeadlineExceeded) || r.ctx.Err() != nil {
						return err
					}
				}
			}
			return nil
		},
		func() error {
			memory := make([]byte, r.slotSize()+128)
			for id := range uint64(chunks) {
				for attempt := uint64(0); ; attempt++ {
					ctx, cancel := soon(seed+1, id, attempt)
					err := fill(ctx, v, memory, id, size(id))
					cancel()
					if err == nil {
						break
					}
					if !errors.Is(err, context.DeadlineExceeded) || r.ctx.Err() != nil {
						return err
					}
					clear(memory) // it is the caller's
					if attempt%3 == 2 {
						if err := get(r.ctx, v, id, size(id)); err != nil {
							return err
						}
						break
					}
				}
			}
			return nil
		},
	)
}
