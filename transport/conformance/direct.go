package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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

// mostPieces is more than any transport moves in one system call.
const mostPieces = 1200

// cut divides n bytes into pieces that lie in a memory of their own with gaps
// between and around them: one piece, a few, or very many, some of them empty.
func cut(id uint64, n int) (memory []byte, pieces, gaps [][]byte) {
	rng := rand.New(rand.NewPCG(id, 5))
	number := []int{1, 1 + rng.IntN(5), 1 + rng.IntN(200), 1 + rng.IntN(mostPieces)}[id%4]
	const guard = 64
	memory = make([]byte, n+guard*(number+1))
	rest, left := memory, n
	take := func(k int) (b []byte) {
		b, rest = rest[:k:k], rest[k:]
		return b
	}
	for i := range number {
		gaps = append(gaps, take(1+rng.IntN(guard)))
		k := left
		if i < number-1 {
			k = min(left, []int{0, 1, rng.IntN(2*n/number + 1), rng.IntN(2*n/number + 1)}[rng.IntN(4)])
		}
		pieces = append(pieces, take(k))
		left -= k
	}
	return memory, pieces, append(gaps, rest)
}

// send is put out of memory that the caller uses for something else right after.
func send(ctx context.Context, s transport.DirectSender, id uint64, n int) error {
	_, pieces, _ := cut(id, n)
	payload := make([]byte, n)
	sequence(payload, id)
	for _, p := range pieces {
		payload = payload[copy(p, payload):]
	}
	list := slices.Clone(pieces)
	err := s.Send(ctx, header(id), list)
	for i, p := range pieces {
		if len(list[i]) != len(p) {
			return fmt.Errorf("chunk %d: sending has changed the caller's list of pieces", id)
		}
		clear(p)
	}
	clear(list)
	if err != nil {
		return fmt.Errorf("sending chunk %d: %w", id, err)
	}
	return nil
}

// sendLater is send of a chunk that may wait for others. The memory may be used for
// something else, by clearing it, after that.
func sendLater(ctx context.Context, s transport.DirectSender, id uint64, n int) (memory []byte, err error) {
	memory, pieces, _ := cut(id, n)
	payload := make([]byte, n)
	sequence(payload, id)
	for _, p := range pieces {
		payload = payload[copy(p, payload):]
	}
	list := slices.Clone(pieces)
	err = s.SendLater(ctx, header(id), list)
	clear(list)
	if err != nil {
		err = fmt.Errorf("sending chunk %d: %w", id, err)
	}
	return memory, err
}

// fill is get into pieces of memory. Where it fails, the memory may be used for
// something else, as it is here.
func fill(ctx context.Context, v transport.DirectReceiver, id uint64, n int) error {
	h, length, err := v.Head(ctx)
	if err != nil {
		return fmt.Errorf("waiting for the header of chunk %d: %w", id, err)
	}
	if length != n {
		return fmt.Errorf("chunk %d: %d bytes announced, want %d", id, length, n)
	}
	memory, pieces, gaps := cut(^id, n)
	sequence(memory, ^id)
	before := slices.Clone(memory)
	list := slices.Clone(pieces)
	err = v.Fill(ctx, list)
	clear(list)
	if err != nil {
		clear(memory)
		return fmt.Errorf("filling memory with chunk %d: %w", id, err)
	}
	if err := verify(h, slices.Concat(pieces...), id, n); err != nil {
		return err
	}
	for _, p := range pieces {
		clear(p)
	}
	v.Release()
	for at, i := 0, 0; i < len(gaps); i++ {
		if !bytes.Equal(gaps[i], before[at:at+len(gaps[i])]) {
			return fmt.Errorf("chunk %d: memory around piece %d of the payload was written", id, i)
		}
		if at += len(gaps[i]); i < len(pieces) {
			at += len(pieces[i])
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
			for id := range uint64(chunks) {
				var err error
				if id%3 == 0 {
					err = put(r.ctx, s, id, n[id])
				} else {
					err = send(r.ctx, s, id, n[id])
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
		func() error {
			for id := range uint64(chunks) {
				var err error
				switch id % 5 {
				case 4: // received, and then brought elsewhere
					if _, _, err = v.Next(r.ctx); err == nil {
						err = fill(r.ctx, v, id, n[id])
					}
				case 0: // seen, and then received into the slot
					if _, _, err = v.Head(r.ctx); err == nil {
						err = get(r.ctx, v, id, n[id])
					}
				case 1:
					err = get(r.ctx, v, id, n[id])
				default:
					err = fill(r.ctx, v, id, n[id])
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

// directLater sends chunks that wait for others, any number of them, which then go by
// every way there is. From then on their memory is used for something else.
func directLater(t *testing.T, f Factory) {
	rng := random(t)
	r := newRig(t, f, 2)
	s, v, ok := r.direct()
	if !ok {
		return
	}
	const bursts = 60
	var n [][]int // of the bursts' chunks
	for range bursts {
		burst := make([]int, 1+rng.IntN(2*r.slots()))
		for i := range burst {
			burst[i] = []int{0, 1, rng.IntN(100), rng.IntN(r.slotSize() + 1), r.slotSize()}[rng.IntN(5)]
		}
		n = append(n, burst)
	}
	r.all(
		func() error {
			id := uint64(0)
			for i, burst := range n {
				var waiting [][]byte
				for j, n := range burst {
					var err error
					var memory []byte
					switch last := j == len(burst)-1; {
					case last && i%3 == 0:
						err = put(r.ctx, s, id, n)
					case last && i%3 == 1:
						err = send(r.ctx, s, id, n)
					default:
						memory, err = sendLater(r.ctx, s, id, n)
						waiting = append(waiting, memory)
					}
					if err != nil {
						return err
					}
					id++
				}
				if i%3 == 2 {
					if err := s.Flush(); err != nil {
						return err
					}
				}
				for _, memory := range waiting {
					clear(memory)
				}
			}
			return s.Flush() // of nothing
		},
		func() error {
			id := uint64(0)
			for i, burst := range n {
				for _, n := range burst {
					if err := fill(r.ctx, v, id, n); err != nil {
						return err
					}
					id++
				}
				if i%8 == 0 {
					time.Sleep(pause / 10) // let the sender run into the wall
				}
			}
			return nil
		},
	)
}

// directLaterWithoutPeer: chunks that wait leave when no slot is free, and a wait for
// one that ends early leaves all that there is to come.
func directLaterWithoutPeer(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v, ok := r.direct()
	if !ok {
		return
	}
	sent := uint64(0)
	var waiting [][]byte
	for { // until everything between the two is full
		ctx, cancel := context.WithTimeout(r.ctx, pause)
		memory, err := sendLater(ctx, s, sent, r.slotSize())
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, memory)
		sent++
	}
	if sent < uint64(r.slots()) {
		t.Fatalf("%d chunks were taken, a link has %d slots", sent, r.slots())
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, memory := range waiting {
		clear(memory)
	}
	for id := range sent {
		if err := get(r.ctx, v, id, r.slotSize()); err != nil {
			t.Fatal(err)
		}
	}
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
			for id := range uint64(chunks) {
				for attempt := uint64(0); ; attempt++ {
					ctx, cancel := soon(seed, id, attempt)
					err := send(ctx, s, id, size(id))
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
			for id := range uint64(chunks) {
				for attempt := uint64(0); ; attempt++ {
					ctx, cancel := soon(seed+1, id, attempt)
					err := fill(ctx, v, id, size(id))
					cancel()
					if err == nil {
						break
					}
					if !errors.Is(err, context.DeadlineExceeded) || r.ctx.Err() != nil {
						return err
					}
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
