package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/transport"
)

// mirror is a mesh on which a rank receives what it has sent, as from a peer that makes
// the same call and is never late. So a call takes the time that the engine takes.
type mirror struct {
	transport.Mesh
	links [8]mirrorLink
}

type mirrorLink struct {
	slot   []byte
	header transport.Header
	n      int
}

func (m *mirror) link(peer int) *mirrorLink {
	l := &m.links[peer]
	if l.slot == nil {
		l.slot = make([]byte, m.SlotSize())
	}
	return l
}

func (m *mirror) Sender(_ context.Context, peer, _ int) (transport.Sender, error) {
	return m.link(peer), nil
}

func (m *mirror) Receiver(_ context.Context, peer, _ int) (transport.Receiver, error) {
	return m.link(peer), nil
}

func (l *mirrorLink) Acquire(context.Context) ([]byte, error) { return l.slot, nil }

func (l *mirrorLink) Commit(h *transport.Header, n int) error {
	l.header, l.n = *h, n
	return nil
}

func (l *mirrorLink) Next(context.Context) (*transport.Header, []byte, error) {
	return &l.header, l.slot[:l.n], nil
}

func (l *mirrorLink) Release() {}

// BenchmarkEngine measures what short calls take apart from the wire: of many short
// batches the least, which other work on the machine does not change.
func BenchmarkEngine(b *testing.B) {
	const bytes = 64
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, size := range []int{2, 4} {
		comms, err := NewLocal(size, Config{between: func(_ int, mesh transport.Mesh) transport.Mesh { return &mirror{Mesh: mesh} }})
		require.NoError(b, err)
		c := comms[0]
		all := strided.Of(make([]float32, bytes/4))
		more := strided.Of(make([]float32, bytes/4))
		one := strided.Of(make([]float32, bytes/4/size))
		calls := map[string]func() error{
			"all_gather":     func() error { return c.AllGather(ctx, all, one) },
			"reduce_scatter": func() error { return c.ReduceScatter(ctx, one, all, Sum) },
			"alltoall":       func() error { return c.AllToAll(ctx, more, all) },
			"broadcast":      func() error { return c.Broadcast(ctx, all, all, 0) },
			"all_reduce":     func() error { return c.AllReduce(ctx, more, all, Sum) },
		}
		names := []string{"all_gather", "reduce_scatter", "alltoall", "broadcast", "all_reduce"}
		for _, name := range names {
			call := calls[name]
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) { leastOf(b, call) })
		}
		for _, c := range comms {
			_ = c.Close()
		}
	}
}

func leastOf(b *testing.B, call func() error) {
	const batch = 200
	var each []time.Duration
	for range b.N/batch + 1 {
		start := time.Now()
		for range batch {
			if err := call(); err != nil {
				b.Fatal(err)
			}
		}
		each = append(each, time.Since(start))
	}
	b.StopTimer()
	slices.Sort(each)
	b.ReportMetric(float64(each[0])/batch, "least-ns")
	b.ReportMetric(float64(each[len(each)/10])/batch, "p10-ns")
}
