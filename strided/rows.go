package strided

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/internal/kernel"
)

// longRun is the length in bytes from which a call per run costs nothing worth
// saving.
const longRun = 512

// copyRows copies rows runs of n bytes between places dstPitch and srcPitch bytes
// apart. Source and destination do not overlap. Short runs are copied in the
// largest words that fit, the last one overlapping its predecessor.
func copyRows(dst unsafe.Pointer, dstPitch int64, src unsafe.Pointer, srcPitch int64, rows, n int64) {
	switch {
	case n >= longRun:
		for r := range rows {
			kernel.Copy(unsafe.Add(dst, r*dstPitch), unsafe.Add(src, r*srcPitch), int(n))
		}
	case n >= 64:
		for r := range rows {
			d, s := unsafe.Add(dst, r*dstPitch), unsafe.Add(src, r*srcPitch)
			for i := int64(0); i < n-64; i += 64 {
				copyLine(unsafe.Add(d, i), unsafe.Add(s, i))
			}
			copyLine(unsafe.Add(d, n-64), unsafe.Add(s, n-64))
		}
	case n >= 32:
		copyWords[quad](dst, dstPitch, src, srcPitch, rows, n)
	case n >= 16:
		copyWords[pair](dst, dstPitch, src, srcPitch, rows, n)
	case n >= 8:
		copyWords[uint64](dst, dstPitch, src, srcPitch, rows, n)
	case n >= 4:
		copyWords[uint32](dst, dstPitch, src, srcPitch, rows, n)
	case n >= 2:
		copyWords[uint16](dst, dstPitch, src, srcPitch, rows, n)
	default:
		copyWords[uint8](dst, dstPitch, src, srcPitch, rows, n)
	}
}

// Words wider than a register, as structs, which the compiler keeps in several
// registers; it would move arrays by a call.
type (
	pair struct{ a, b uint64 }
	quad struct{ a, b, c, d uint64 }
)

// copyLine copies 64 bytes.
func copyLine(dst, src unsafe.Pointer) {
	x := *(*quad)(src)
	*(*quad)(dst) = x
	y := *(*quad)(unsafe.Add(src, 32))
	*(*quad)(unsafe.Add(dst, 32)) = y
}

// copyWords copies runs of one to two words each.
func copyWords[T any](dst unsafe.Pointer, dstPitch int64, src unsafe.Pointer, srcPitch int64, rows, n int64) {
	tail := n - int64(unsafe.Sizeof(*new(T)))
	for r := range rows {
		d, s := unsafe.Add(dst, r*dstPitch), unsafe.Add(src, r*srcPitch)
		x, y := *(*T)(s), *(*T)(unsafe.Add(s, tail))
		*(*T)(d) = x
		*(*T)(unsafe.Add(d, tail)) = y
	}
}
