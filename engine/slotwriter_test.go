package engine_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// writing is a mesh whose links write their slots themselves, and count the bytes.
type writing struct {
	transport.Mesh
	bytes *atomic.Int64
}

func (m writing) Sender(ctx context.Context, peer, channel int) (transport.Sender, error) {
	s, err := m.Mesh.Sender(ctx, peer, channel)
	return &writer{Sender: s, bytes: m.bytes}, err
}

type writer struct {
	transport.Sender
	slot  []byte
	bytes *atomic.Int64
}

func (w *writer) Acquire(ctx context.Context) (slot []byte, err error) {
	w.slot, err = w.Sender.Acquire(ctx)
	return w.slot, err
}

func (w *writer) Write(pieces [][]byte) (n int) {
	for _, p := range pieces {
		n += copy(w.slot[n:], p)
	}
	w.bytes.Add(int64(n))
	return n
}

// TestLongChunksAreWrittenByTheLink: a link that writes its slots itself does so with
// what lies in long pieces, whether it is the rank's own or passed on, and with nothing
// else.
func TestLongChunksAreWrittenByTheLink(t *testing.T) {
	const ranks, n = 3, 100_000 // a chain of two chunks
	for _, c := range []struct {
		name  string
		shape []int64
		whole bool // lies in long pieces
		want  int64
	}{
		{"contiguous", []int64{n}, true, (ranks - 1) * 4 * n},
		{"long rows", []int64{n / 2000, 2000}, false, (ranks - 1) * 4 * n},
		{"short rows", []int64{n / 100, 100}, false, 4 * n}, // what is passed on lies in a slot
		{"short", []int64{1000}, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var written atomic.Int64
			comms, err := engine.NewLocal(ranks, engine.Between(engine.Config{}, func(_ int, m transport.Mesh) transport.Mesh {
				return writing{m, &written}
			}))
			require.NoError(t, err)
			failed := make(chan error, ranks)
			for rank, comm := range comms {
				go func() {
					x := rows(t, c.shape, c.whole, rank == 0)
					if err := comm.Broadcast(t.Context(), x.tensor, x.tensor, 0); err != nil {
						failed <- err
						return
					}
					x.check(t)
					failed <- nil
				}()
			}
			for range ranks {
				require.NoError(t, <-failed)
			}
			require.Equal(t, c.want, written.Load())
			for _, comm := range comms {
				require.NoError(t, comm.Close())
			}
		})
	}
}

type rowed struct {
	tensor strided.Tensor
	values []float32
	shape  []int64
	pitch  int64
}

// rows is a tensor of a shape, with a gap of some elements behind each row unless it is
// whole, which is full of known values or of none.
func rows(t *testing.T, shape []int64, whole, full bool) *rowed {
	r := &rowed{shape: shape, pitch: shape[len(shape)-1]}
	if !whole {
		r.pitch += 3
	}
	count := int64(1)
	for _, s := range shape[:len(shape)-1] {
		count *= s
	}
	r.values = make([]float32, count*r.pitch)
	for i := range r.values {
		r.values[i] = -1
		if int64(i)%r.pitch < shape[len(shape)-1] && full {
			r.values[i] = float32(i % 1000)
		}
	}
	strides := []int64{1}
	if len(shape) == 2 {
		strides = []int64{r.pitch, 1}
	}
	r.tensor = strided.Of(r.values).AsStrided(shape, strides, 0)
	require.NoError(t, r.tensor.Err())
	return r
}

func (r *rowed) check(t *testing.T) {
	for i, v := range r.values {
		want := float32(-1)
		if int64(i)%r.pitch < r.shape[len(r.shape)-1] {
			want = float32(i % 1000)
		}
		if v != want {
			t.Errorf("element %d is %v, want %v", i, v, want)
			return
		}
	}
}
