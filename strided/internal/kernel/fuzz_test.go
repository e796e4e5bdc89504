package kernel

import (
	"testing"

	"math/rand/v2"

	"github.com/monel-dev/monel/strided/dtype"
)

// FuzzReduce compares every tier of every reduction with the reference on bytes
// of the fuzzer's choice, at any alignment and with any permitted aliasing.
func FuzzReduce(f *testing.F) {
	for _, dt := range dtype.All() {
		f.Add(uint8(dt), uint8(dt), uint8(3), uint8(1), uint16(3), []byte("0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"))
	}
	f.Fuzz(func(t *testing.T, op, dt, alias, offset uint8, ranks uint16, data []byte) {
		o, d := dtype.Op(int(op)%numOps), dtype.DType(int(dt)%numDTypes)
		n := len(data) / 2 / d.Size()
		size := n * d.Size()
		onEachTier(t, func() {
			a, b := guard(int(offset&15), size), guard(int(offset>>4), size)
			copy(a.b, data[:size])
			copy(b.b, data[size:])
			which := aliases[int(alias)%len(aliases)]
			if ranks == 0 {
				which = aliases[int(alias)%3]
			}
			checkReduceOn(t, o, d, a, b, n, which, int(offset)%33, int(ranks))
		})
	})
}

// FuzzMove compares transposes, copies of rows, gathers and scatters with the definition.
func FuzzMove(f *testing.F) {
	f.Add(uint64(1), uint8(2), uint8(70), uint8(33), uint8(0), uint8(7), int8(8))
	f.Add(uint64(2), uint8(0), uint8(130), uint8(64), uint8(64), uint8(0), int8(-1))
	f.Fuzz(func(t *testing.T, seed uint64, size, rows, cols, padDst, padSrc uint8, stride int8) {
		es := 1 << (size % 5)
		onEachTier(t, func() {
			rng := rand.New(rand.NewPCG(seed, 1))
			checkTranspose(t, rng, int(rows), int(cols), es, int(padDst), int(padSrc), int(seed&3))
			checkCopyRows(t, rng, int(rows), int(cols), int(padDst), int(padSrc), int(seed&3))
			checkGather(t, rng, int(rows), es, int(stride))
			checkGather(t, rng, int(rows), es, int(stride)*es)
			if stride != 0 {
				checkScatter(t, rng, int(rows), es, int(stride)*es)
			}
		})
	})
}
