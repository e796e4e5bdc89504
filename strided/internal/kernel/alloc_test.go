//go:build !race

package kernel

import (
	"testing"
	"unsafe"

	"github.com/monel-dev/monel/strided/dtype"
)

// TestNothingAllocates also shows that pointers do not escape: the operands live
// on the stack. The race detector's hooks let them escape, so it is left out there.
func TestNothingAllocates(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		for _, dt := range dtype.All() {
			for _, op := range dtype.Ops() {
				got := testing.AllocsPerRun(10, func() {
					var out, a, b [1024]byte
					n := len(a) / dt.Size()
					o, x, y := unsafe.Pointer(&out), unsafe.Pointer(&a), unsafe.Pointer(&b)
					Reduce(op, dt, o, x, y, n)
					ReduceFinish(op, dt, o, x, x, y, n, 3)
				})
				if got != 0 {
					t.Errorf("%v %v allocates %v times", op, dt, got)
				}
			}
		}
		for _, es := range []int{1, 2, 4, 8, 16} {
			got := testing.AllocsPerRun(10, func() {
				var dst, src [4096]byte
				d, s := unsafe.Pointer(&dst), unsafe.Pointer(&src)
				Copy(d, s, len(src))
				Gather(d, s, 100, es, int64(2*es))
				Scatter(d, s, 100, es, int64(2*es))
				Gather(d, unsafe.Add(s, 99*es), 100, es, int64(-es))
				edge := 64 / es
				Transpose(d, 64, s, 64, edge, edge, es)
				Transpose(d, 64, s, 64, edge-1, edge-1, es)
			})
			if got != 0 {
				t.Errorf("moves of %d bytes allocate %v times", es, got)
			}
		}
	})
}
