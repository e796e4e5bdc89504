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
	sum, chunks := uint64(0), uint64(0)
	for i, n := range []int{0, 1, r.slotSize(), 17, r.slotSize() / 2, 0} {
		if _, err := to.Acquire(r.ctx); err != nil {
			t.Fatal(err)
		}
		if err := put(r.ctx, to, uint64(i), n); err != nil {
			t.Fatal(err)
		}
		sum += uint64(n)
		chunks++
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
		chunks++
	}
	counted := func(rank int) (t transport.Traffic) {
		m, ok := r.Meshes[rank].(transport.Metered)
		if !ok {
			t.Transport = "none that counts"
			return t
		}
		for _, one := range m.Traffic() {
			t.Sent += one.Sent
			t.Received += one.Received
		}
		return t
	}
	got := counted(0)
	if got != (transport.Traffic{Sent: got.Sent}) || got.Sent < sum || got.Sent > sum+addedTo*chunks {
		t.Errorf("the sender has counted %+v in %d chunks of %d bytes", got, chunks, sum)
	}
	if other := counted(1); other != (transport.Traffic{Received: got.Sent}) {
		t.Errorf("the receiver has counted %+v of %+v", other, got)
	}
	if other := counted(2); other != (transport.Traffic{}) {
		t.Errorf("who has no link has counted %+v", other)
	}
}

// addedTo is how many bytes a mesh may add to a chunk's payload to protect it.
const addedTo = 128
