package conformance

import (
	"errors"
	"math"
	"testing"

	"github.com/monel-dev/monel/transport"
)

func attributes(t *testing.T, f Factory) {
	r := newRig(t, f, 3)
	for rank, m := range r.Meshes {
		if m.Name() == "" || m.Name() != r.Meshes[0].Name() {
			t.Errorf("rank %d: Name %q", rank, m.Name())
		}
		if m.SlotSize() < 1 || m.SlotSize() != r.slotSize() {
			t.Errorf("rank %d: SlotSize %d, rank 0: %d", rank, m.SlotSize(), r.slotSize())
		}
		if m.Slots() < 2 {
			t.Errorf("rank %d: Slots %d, want at least 2", rank, m.Slots())
		}
	}
	slot, err := r.sender(0, 1, 0).Acquire(r.ctx)
	if err != nil || len(slot) != r.slotSize() {
		t.Errorf("Acquire gave %d bytes, %v; want SlotSize %d", len(slot), err, r.slotSize())
	}
}

func sameEndEveryTime(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	const asks = 8
	var senders [asks]transport.Sender
	var receivers [asks]transport.Receiver
	var run []func() error
	for i := range asks {
		run = append(run, func() (err error) {
			senders[i], err = r.Meshes[0].Sender(r.ctx, 1, 3)
			return err
		}, func() (err error) {
			receivers[i], err = r.Meshes[1].Receiver(r.ctx, 0, 3)
			return err
		})
	}
	r.all(run...)
	for i := range asks {
		if senders[i] != senders[0] || receivers[i] != receivers[0] {
			t.Fatalf("ask %d gave another end than the first", i)
		}
	}
	if err := put(r.ctx, senders[0], 1, 1); err != nil {
		t.Fatal(err)
	}
	if err := get(r.ctx, receivers[0], 1, 1); err != nil {
		t.Fatal(err)
	}
}

func invalidArguments(t *testing.T, f Factory) {
	r := newRig(t, f, 3)
	for _, c := range []struct{ peer, channel int }{{0, 0}, {-1, 0}, {3, 0}, {math.MaxInt32, 0}, {1, -1}} {
		if s, err := r.Meshes[0].Sender(r.ctx, c.peer, c.channel); s != nil || !errors.Is(err, transport.ErrInvalid) {
			t.Errorf("Sender(%d, %d) on rank 0 = %v, %v; want ErrInvalid", c.peer, c.channel, s, err)
		}
		if v, err := r.Meshes[0].Receiver(r.ctx, c.peer, c.channel); v != nil || !errors.Is(err, transport.ErrInvalid) {
			t.Errorf("Receiver(%d, %d) on rank 0 = %v, %v; want ErrInvalid", c.peer, c.channel, v, err)
		}
	}
}

func order(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.link()
	const chunks = 5000
	r.all(
		func() error { return putMany(r, s, chunks, func(int) int { return 8 }) },
		func() error { return getMany(r, v, chunks, func(int) int { return 8 }) },
	)
}

func sizes(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.link()
	for i, n := range interestingSizes(r.slotSize()) {
		if err := put(r.ctx, s, uint64(i), n); err != nil {
			t.Fatal(err)
		}
		if err := get(r.ctx, v, uint64(i), n); err != nil {
			t.Fatal(err)
		}
	}
}

// sizesBackToBack has chunks of all sizes follow each other without a pause, in
// random order, so that they share reads and writes in many ways.
func sizesBackToBack(t *testing.T, f Factory) {
	rng := random(t)
	r := newRig(t, f, 2)
	s, v := r.link()
	var n []int
	for range 4 {
		n = append(n, interestingSizes(r.slotSize())...)
	}
	for range 200 {
		n = append(n, rng.IntN(600), rng.IntN(min(r.slotSize(), 10000)+1), rng.IntN(r.slotSize()+1))
	}
	rng.Shuffle(len(n), func(i, j int) { n[i], n[j] = n[j], n[i] })
	at := func(i int) int { return n[i] }
	r.all(
		func() error { return putMany(r, s, len(n), at) },
		func() error { return getMany(r, v, len(n), at) },
	)
}

func interestingSizes(slot int) []int {
	var n []int
	for _, size := range []int{0, 1, 2, 3, 7, 8, 9, 47, 48, 49, 63, 64, 65, 511, 512, 513,
		1 << 10, 4095, 4096, 4097, 8191, 8192, 8193, 1 << 14, 1<<16 - 1, 1 << 16, 1<<16 + 1,
		slot / 2, slot/2 + 1, slot - 4096, slot - 65, slot - 64, slot - 8, slot - 1, slot, 0, slot, 0} {
		if 0 <= size && size <= slot {
			n = append(n, size)
		}
	}
	return n
}

// receiverFirst has every rank ask for its receiving ends, and wait on them,
// before anyone asks for a sending end.
func receiverFirst(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	v := [2]transport.Receiver{r.receiver(1, 0, 0), r.receiver(0, 1, 0)}
	r.all(
		func() error { return get(r.ctx, v[0], 1, 5) },
		func() error { return get(r.ctx, v[1], 0, 5) },
		func() error { return put(r.ctx, r.sender(0, 1, 0), 0, 5) },
		func() error { return put(r.ctx, r.sender(1, 0, 0), 1, 5) },
	)
}

func acquireAgain(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.link()
	for id := range uint64(20) {
		a, err := s.Acquire(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Acquire(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if &a[0] != &b[0] || len(a) != len(b) {
			t.Fatal("a second Acquire before Commit gave another slot")
		}
		if err := put(r.ctx, s, id, 100); err != nil {
			t.Fatal(err)
		}
		if err := get(r.ctx, v, id, 100); err != nil {
			t.Fatal(err)
		}
	}
}

func nextAgain(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.link()
	for id := range uint64(2) {
		if err := put(r.ctx, s, id, 100); err != nil {
			t.Fatal(err)
		}
	}
	for id := range uint64(2) {
		h0, p0, err := v.Next(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			h, p, err := v.Next(r.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if *h != *h0 || &p[0] != &p0[0] || len(p) != len(p0) {
				t.Fatal("a second Next before Release gave another chunk")
			}
			if err := verify(h, p, id, 100); err != nil {
				t.Fatal(err)
			}
		}
		v.Release()
	}
}

// payloadStable holds each chunk while its successors pile up behind it.
func payloadStable(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	s, v := r.link()
	next := uint64(0)
	push := func(n int) {
		t.Helper()
		if err := put(r.ctx, s, next, n); err != nil {
			t.Fatal(err)
		}
		next++
	}
	for id, n := range []int{0, 10, 5000, r.slotSize(), 1} {
		n = min(n, r.slotSize())
		push(n)
		h, p, err := v.Next(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for range r.slots() - 1 {
			push(r.slotSize())
		}
		first := uint64(id * r.slots())
		if err := verify(h, p, first, n); err != nil {
			t.Fatalf("after later chunks were sent: %v", err)
		}
		v.Release()
		for i := 1; i < r.slots(); i++ {
			if err := get(r.ctx, v, first+uint64(i), r.slotSize()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// bothDirections has each rank send all its slots before it receives any, in
// one goroutine, as the executor does.
func bothDirections(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	const rounds = 20
	r.each(func(rank int) error {
		s, v := r.sender(rank, 1-rank, 0), r.receiver(1-rank, rank, 0)
		for round := range rounds {
			for i := range r.slots() {
				id := uint64(round*r.slots()+i)*2 + uint64(rank)
				if err := put(r.ctx, s, id, r.slotSize()); err != nil {
					return err
				}
			}
			for i := range r.slots() {
				id := uint64(round*r.slots()+i)*2 + uint64(1-rank)
				if err := get(r.ctx, v, id, r.slotSize()); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// channels checks that a channel that nobody reads does not hold up the others.
func channels(t *testing.T, f Factory) {
	r := newRig(t, f, 2)
	stuck, idle := r.sender(0, 1, 7), r.receiver(0, 1, 7)
	for id := range r.slots() {
		if err := put(r.ctx, stuck, uint64(id), r.slotSize()); err != nil {
			t.Fatal(err)
		}
	}
	var run []func() error
	for channel := range 4 {
		s, v := r.sender(0, 1, channel), r.receiver(0, 1, channel)
		n := func(i int) int { return (i*1009 + channel) % (r.slotSize() + 1) }
		run = append(run,
			func() error { return putMany(r, s, 100, n) },
			func() error { return getMany(r, v, 100, n) })
	}
	r.all(run...)
	for id := range r.slots() {
		if err := get(r.ctx, idle, uint64(id), r.slotSize()); err != nil {
			t.Fatal(err)
		}
	}
}

func allPairs(t *testing.T, f Factory) {
	const ranks, chunks = 5, 30
	r := newRig(t, f, ranks)
	id := func(from, to, i int) uint64 { return uint64((from*ranks+to)*chunks + i) }
	size := func(from, to, i int) int { return (from*1013 + to*4099 + i*8209) % (r.slotSize() + 1) }
	r.each(func(rank int) error {
		for i := range chunks {
			for peer := range ranks {
				if peer == rank {
					continue
				}
				if err := put(r.ctx, r.sender(rank, peer, 0), id(rank, peer, i), size(rank, peer, i)); err != nil {
					return err
				}
			}
			for peer := range ranks {
				if peer == rank {
					continue
				}
				if err := get(r.ctx, r.receiver(peer, rank, 0), id(peer, rank, i), size(peer, rank, i)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// putMany sends chunks 0 to count-1, chunk i with size(i) bytes.
func putMany(r *rig, s transport.Sender, count int, size func(int) int) error {
	for i := range count {
		if err := put(r.ctx, s, uint64(i), size(i)); err != nil {
			return err
		}
	}
	return nil
}

// getMany receives what putMany sends.
func getMany(r *rig, v transport.Receiver, count int, size func(int) int) error {
	for i := range count {
		if err := get(r.ctx, v, uint64(i), size(i)); err != nil {
			return err
		}
	}
	return nil
}
