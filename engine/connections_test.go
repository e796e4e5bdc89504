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
