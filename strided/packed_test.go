package strided

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/monel-dev/monel/strided/dtype"
)

// TestReducePacked: both functions are the reference, element by element, into
// memory of their own and over either operand, and touch nothing else.
func TestReducePacked(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, dt := range dtype.All() {
		for _, op := range dtype.Ops() {
			for _, n := range []int64{0, 1, 7, 64, 333} {
				size := n * int64(dt.Size())
				for over := range 3 {
					a, aIntact := guarded(rng, size)
					b, bIntact := guarded(rng, size)
					out, outIntact := guarded(rng, size)
					out = [][]byte{out, a, b}[over]
					sum, last := reduced(op, dt, a, b, false, 0), reduced(op, dt, a, b, true, 3)
					keptA, keptB := bytes.Clone(a), bytes.Clone(b)

					Reduce(op, dt, out, a, b, n)
					require.Equal(t, sum, bytes.Clone(out), "%v %v of %d over %d", dt, op, n, over)
					copy(a, keptA)
					copy(b, keptB)
					ReduceLast(op, dt, out, a, b, n, 3)
					require.Equal(t, last, bytes.Clone(out), "last %v %v of %d over %d", dt, op, n, over)
					require.True(t, aIntact() && bIntact() && outIntact())
				}
			}
		}
	}
}

func TestReducePackedPanics(t *testing.T) {
	eight := make([]byte, 8)
	for name, call := range map[string]func(){
		"short out":   func() { Reduce(Sum, dtype.Float32, eight[:4], eight, eight, 2) },
		"short left":  func() { Reduce(Sum, dtype.Float32, eight, eight[:7], eight, 2) },
		"short right": func() { ReduceLast(Sum, dtype.Float32, eight, eight, nil, 1, 2) },
		"negative":    func() { Reduce(Sum, dtype.Float32, eight, eight, eight, -1) },
		"no op":       func() { Reduce(Op(200), dtype.Float32, eight, eight, eight, 1) },
		"no dtype":    func() { Reduce(Sum, DType(200), eight, eight, eight, 1) },
		"no ranks":    func() { ReduceLast(Avg, dtype.Float32, eight, eight, eight, 1, 0) },
	} {
		require.Panics(t, call, name)
	}
}
