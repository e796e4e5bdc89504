package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/engine"
	"github.com/monel-dev/monel/strided/dtype"
)

// TestFill: over TCP, chunks of tensors that lie in long pieces go from and to their
// memory without a slot, others through slots, and every value is right.
func TestFill(t *testing.T) {
	for _, size := range []int{2, 3, 4} {
		if raceDetector && size != 3 {
			continue // goroutines share the same in the others
		}
		t.Run(fmt.Sprintf("np=%d", size), func(t *testing.T) {
			t.Parallel()
			w := tcpWorld(t, size, engine.Config{})
			var fills []*int
			for _, c := range w {
				fills = append(fills, engine.CountFills(c))
			}
			for _, shape := range [][]int64{{700, 901}, {200, 3001}} { // some chunks, the last ones cut
				long := shape[1] == 3001
				for _, in := range [][]string{{"contiguous"}, {"transpose"}, {"slice"}, {"contiguous", "transpose"}} {
					for _, out := range [][]string{nil, {"transpose"}, {"column"}} {
						before := *fills[0]
						allReduceCase{dt: dtype.Float32, op: engine.Sum, shape: shape, in: in, out: out}.run(t, w)
						switch {
						case len(in) == 1 && in[0] == "transpose" && out == nil:
							require.Greater(t, *fills[0], before, "nothing came straight into the tensor")
						case len(in) == 1 && in[0] == "slice" && out == nil && long:
							require.Greater(t, *fills[0], before, "nothing came straight into the rows")
						case len(in) == 1 && in[0] == "slice" && out == nil:
							require.Equal(t, before, *fills[0], "rows of less than a page were filled")
						}
					}
					broadcastCase{dt: dtype.Float32, shape: shape, layouts: in, root: size - 1}.run(t, w)
				}
			}
		})
	}
}
