package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestConnections runs collectives between ranks whose links have several
// connections, fewer than a tensor has chunks and more.
func TestConnections(t *testing.T) {
	for _, connections := range []int{2, 3, 16} {
		for _, size := range []int{2, 3} {
			t.Run(fmt.Sprintf("%d connections, np=%d", connections, size), func(t *testing.T) {
				t.Parallel()
				cfg := engine.Config{ChunkBytes: smallChunk, Connections: connections}
				w := initWorld(t, size, engine.Apart(cfg), "auto")
				require.Equal(t, "tcp", w[0].Transport(), "the ranks count as of different hosts")
				for _, shape := range [][]int64{{1}, {7}, {64}, {65}, {5, 67}, {70, 70}} {
					for _, in := range [][]string{{"contiguous"}, {"transpose"}, {"contiguous", "transpose"}} {
						allReduceCase{dt: dtype.Float32, op: engine.Sum, shape: shape, in: in}.run(t, w)
						broadcastCase{dt: dtype.Float32, shape: shape, layouts: in, root: size - 1}.run(t, w)
					}
				}
			})
		}
	}
}

// TestStripedChunks has chunks of the default size go over several connections at once,
// between hosts and within one.
func TestStripedChunks(t *testing.T) {
	for _, apart := range []bool{false, true} {
		for _, size := range []int{2, 3} {
			if raceDetector && size != 3 {
				continue // goroutines share the same in the other
			}
			t.Run(fmt.Sprintf("apart=%v/np=%d", apart, size), func(t *testing.T) {
				t.Parallel()
				cfg := engine.Config{Connections: 4}
				if apart {
					cfg = engine.Apart(cfg)
				}
				w := initWorld(t, size, cfg, "tcp")
				for n, shape := range [][]int64{{300, 500}, {61, 37, 200}} {
					for _, in := range [][]string{{"contiguous"}, {"transpose"}, {"contiguous", "transpose"}} {
						allReduceCase{dt: dtype.Float32, op: engine.Sum, shape: shape, in: in}.run(t, w)
						broadcastCase{dt: dtype.Float32, shape: shape, layouts: in, root: n % size}.run(t, w)
					}
				}
			})
		}
	}
}

// TestStripedDevice is TestStripedChunks with tensors of devices, on all ranks or on some,
// with either way of waiting.
func TestStripedDevice(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		for _, size := range []int{2, 3} {
			t.Run(fmt.Sprintf("mixed=%v/np=%d", mixed, size), func(t *testing.T) {
				defer engine.SetRoomy(size == 2)()
				d := onDevices(t)
				d.mixed = mixed
				cfg := d.config()
				cfg.Connections = 4
				w := tcpWorld(d, size, cfg)
				shape := []int64{2, 48, 61, 37}
				for _, l := range []string{"contiguous", "transpose"} {
					allReduceCase{dt: dtype.Float32, op: engine.Sum, shape: shape, in: []string{l}}.run(d, w)
					broadcastCase{dtype.Float32, shape, []string{l}, size - 1, true}.run(d, w)
				}
			})
		}
	}
}
