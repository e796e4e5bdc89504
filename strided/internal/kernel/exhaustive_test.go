package kernel

import (
	"testing"

	"github.com/monel-dev/monel/strided/dtype"
)

var narrow16 = []dtype.DType{dtype.Float16, dtype.BFloat16}

// TestEveryPairOf8Bits covers all 65,536 operand pairs of every 8-bit type.
func TestEveryPairOf8Bits(t *testing.T) {
	a, b := guard(0, 1<<16), guard(0, 1<<16)
	for i := range 1 << 16 {
		a.b[i], b.b[i] = byte(i>>8), byte(i)
	}
	forEachTier(t, func(t *testing.T) {
		for _, dt := range []dtype.DType{dtype.Int8, dtype.Uint8, dtype.Float8E4M3, dtype.Float8E5M2} {
			for _, op := range dtype.Ops() {
				checkReduceOn(t, op, dt, a, b, 1<<16, "o-", 0, 0)
			}
			for _, ranks := range []int{1, 3, 8, 300} {
				checkReduceOn(t, dtype.Avg, dt, a, b, 1<<16, "oo", 0, ranks)
			}
		}
	})
}

// TestEveryPatternOf16Bits pairs every float16 and bfloat16 with operands that
// make the operation unary: neutral ones, which show widening and narrowing
// alone, itself, and some that force rounding, overflow and cancellation.
func TestEveryPatternOf16Bits(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		for _, dt := range narrow16 {
			t.Run(dt.String(), func(t *testing.T) {
				n := 1 << 16
				a, b := guard(0, 2*n), guard(0, 2*n)
				partners := []func(i int) int{
					func(i int) int { return 0 },
					func(i int) int { return 0x8000 },
					func(i int) int { return int(nearOne[dt]) },
					func(i int) int { return int(nearOne[dt]) + 1 },
					func(i int) int { return i },
					func(i int) int { return i ^ 0x8000 },
					func(i int) int { return i ^ 1 },
					func(i int) int { return 0x7bff },
					func(i int) int { return 0x7f7f },
					func(i int) int { return 0x03ff },
					func(i int) int { return 0x0001 },
					func(i int) int { return int(canonicalNaN[dt]) },
					func(i int) int { return i * 40503 & 0xffff },
				}
				for _, partner := range partners {
					for i := range n {
						store(dt, a.b, i, uint64(i))
						store(dt, b.b, i, uint64(partner(i)))
					}
					for _, op := range dtype.Ops() {
						checkReduceOn(t, op, dt, a, b, n, "o-", 0, 0)
						checkReduceOn(t, op, dt, b, a, n, "o-", 0, 0)
					}
					checkReduceOn(t, dtype.Avg, dt, a, b, n, "o-", 0, 3)
				}
			})
		}
	})
}
