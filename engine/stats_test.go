package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided"
)

// TestWireStats: what is counted on the wires is what the algorithms send, by whatever way
// a link takes the elements.
func TestWireStats(t *testing.T) {
	const size = 3
	for name, newWorld := range worlds {
		for _, hops := range []int{0, 1000} {
			t.Run(fmt.Sprintf("%s/trace=%d", name, hops), func(t *testing.T) {
				w := newWorld(t, size, engine.Config{Algorithm: "ring", TraceHops: hops})
				wire := func(rank int) (sent, received uint64) {
					for _, s := range w[rank].Stats().Wires {
						if s.Transport != name {
							require.Zero(t, s.Sent+s.Received, s.Transport)
							continue
						}
						sent, received = s.Sent, s.Received
					}
					return sent, received
				}
				before := make([]uint64, 2*size)
				for rank := range w {
					before[2*rank], before[2*rank+1] = wire(rank)
				}
				// Steps are waited for by all, so nothing is on its way when it is looked at.
				step := func(what string, sent, received []uint64, call func(rank int, c *engine.Comm) error) {
					w.must(t, call)
					w.must(t, func(_ int, c *engine.Comm) error { return c.Barrier(background) })
					for rank := range w {
						s, r := wire(rank)
						require.Equal(t, sent[rank], s-before[2*rank], "%s: sent by %d", what, rank)
						require.Equal(t, received[rank], r-before[2*rank+1], "%s: received by %d", what, rank)
						before[2*rank], before[2*rank+1] = s, r
					}
				}
				all := func(n uint64) []uint64 { return []uint64{n, n, n} }
				for _, k := range []int{16, 300 << 10} { // floats of a third; in one chunk, and in several
					third := uint64(4 * k)
					x, y := make([][]float32, size), make([][]float32, size)
					for rank := range w {
						x[rank], y[rank] = make([]float32, size*k), make([]float32, k)
					}
					step("all_reduce", all(2*2*third), all(2*2*third), func(rank int, c *engine.Comm) error {
						return c.AllReduce(background, strided.Of(x[rank]), strided.Of(x[rank]), engine.Sum)
					})
					step("all_gather", all(2*third), all(2*third), func(rank int, c *engine.Comm) error {
						return c.AllGather(background, strided.Of(x[rank]), strided.Of(y[rank]))
					})
					step("send", []uint64{third, 0, 0}, []uint64{0, 0, third}, func(rank int, c *engine.Comm) error {
						switch rank {
						case 0:
							return c.Send(background, strided.Of(y[0]), 2)
						case 2:
							return c.Recv(background, strided.Of(y[2]), 0)
						}
						return nil
					})
					step("gather", []uint64{0, third, third}, []uint64{2 * third, 0, 0}, func(rank int, c *engine.Comm) error {
						return c.Gather(background, strided.Of(x[rank]), strided.Of(y[rank]), 0)
					})
				}
			})
		}
	}
}
