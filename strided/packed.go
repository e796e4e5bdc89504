package strided

import (
	"fmt"
	"unsafe"

	"github.com/monel-dev/monel/strided/internal/kernel"
)

// Reduce computes out = a (+) b for n packed elements of type dt, a's being the
// left operands. Avg adds. The slices hold at least n elements each; out may be
// a or b. Arguments that do not fit are a programming error and panic.
func Reduce(op Op, dt DType, out, a, b []byte, n int64) {
	if checkPacked("Reduce", op, dt, n, out, a, b) {
		kernel.Reduce(op, dt, packed(out), packed(a), packed(b), int(n))
	}
}

// ReduceLast is Reduce as the last step of a reduction: for Avg it divides by
// ranks, which is at least 1.
func ReduceLast(op Op, dt DType, out, a, b []byte, n int64, ranks int) {
	if op == Avg && ranks < 1 {
		panic(fmt.Sprintf("strided: ReduceLast with average over %d ranks", ranks))
	}
	if checkPacked("ReduceLast", op, dt, n, out, a, b) {
		kernel.ReduceFinish(op, dt, packed(out), nil, packed(a), packed(b), int(n), ranks)
	}
}

// checkPacked reports whether there is anything to do.
func checkPacked(function string, op Op, dt DType, n int64, operands ...[]byte) bool {
	checkOp(function, op)
	if !dt.Valid() {
		panic(fmt.Sprintf("strided: %s of %v", function, dt))
	}
	for _, b := range operands {
		if n < 0 || n > int64(len(b)/dt.Size()) {
			panic(fmt.Sprintf("strided: %s of %d elements of %v in %d bytes", function, n, dt, len(b)))
		}
	}
	return n > 0
}

func packed(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
