package conformance

import (
	"testing"

	"github.com/monel-dev/monel/transport"
)

// traffic checks that both ends count the payload of every chunk once, whatever is asked
// for twice.
func traffic(t *testing.T, f Factory) {
	r := newRig(t, f, 3)
	to, from := r.sender(0, 1, 0), r.receiver(0, 1, 0)
	sum := uint64(0)
	for i, n := range []int{0, 1, r.slotSize(), 17, r.slotSize() / 2, 0} {
		if _, err := to.Acquire(r.ctx); err != nil {
			t.Fatal(err)
		}
		if err := put(r.ctx, to, uint64(i), n); err != nil {
			t.Fatal(err)
		}
		sum += uint64(n)
		if _, _, err := from.Next(r.ctx); err != nil {
			t.Fatal(err)
		}
		if err := get(r.ctx, from, uint64(i), n); err != nil {
			t.Fatal(err)
		}
	}
	if r.Direct {
		memory := make([]byte, r.slotSize())
		if err := to.(transport.DirectSender).Send(r.ctx, &transport.Header{}, [][]byte{memory[:5], memory[5:]}); err != nil {
			t.Fatal(err)
		}
		filler := from.(transport.DirectReceiver)
		if _, _, err := filler.Head(r.ctx); err != nil {
			t.Fatal(err)
		}
		if err := filler.Fill(r.ctx, [][]byte{memory}); err != nil {
			t.Fatal(err)
		}
		from.Release()
		sum += uint64(len(memory))
	}
	for rank, want := range []transport.Traffic{{Sent: sum}, {Received: sum}, {}} {
		m, ok := r.Meshes[rank].(transport.Metered)
		if !ok {
			t.Fatalf("rank %d: the mesh does not count", rank)
		}
		var got transport.Traffic
		for _, one := range m.Traffic() {
			if one.Transport == "" {
				t.Errorf("rank %d: %+v", rank, one)
			}
			got.Sent += one.Sent
			got.Received += one.Received
		}
		if got != want {
			t.Errorf("rank %d: %+v, want %+v", rank, got, want)
		}
	}
}
