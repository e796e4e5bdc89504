package strided

import (
	"unsafe"

	"github.com/monel-dev/monel/strided/internal/kernel"
)

// longRun is the length in bytes from which runs have a kernel.
const longRun = 64

// copyRows copies rows runs of n bytes between places dstPitch and srcPitch bytes
// apart, a part of a move of total bytes. Source and destination do not overlap. Short runs are copied in the
// largest words that fit, the last one overlapping its predecessor.
func copyRows(dst unsafe.Pointer, dstPitch int64, src unsafe.Pointer, srcPitch int64, rows, n, total int64) {
	switch {
	case n >= longRun:
		kernel.CopyRows(dst, dstPitch, src, srcPitch, int(rows), int(n), total)
	case n >= 32:
		for r := range rows {
			d, s := unsafe.Add(dst, r*dstPitch), unsafe.Add(src, r*srcPitch)
			copy32(d, s)
			copy32(unsafe.Add(d, n-32), unsafe.Add(s, n-32))
		}
	case n >= 16:
		// The widest type that the compiler moves through registers.
		copyWords[complex128](dst, dstPitch, src, srcPitch, rows, n)
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

// copy32 copies 32 bytes. It loads words one by one because the compiler would
// make a call of an array assignment.
func copy32(dst, src unsafe.Pointer) {
	s, d := (*[4]uint64)(src), (*[4]uint64)(dst)
	a, b, x, y := s[0], s[1], s[2], s[3]
	d[0], d[1], d[2], d[3] = a, b, x, y
}

// copyWords copies runs of one to two words each.
func copyWords[T uint8 | uint16 | uint32 | uint64 | complex128](dst unsafe.Pointer, dstPitch int64, src unsafe.Pointer, srcPitch int64, rows, n int64) {
	tail := n - int64(unsafe.Sizeof(*new(T)))
	for r := range rows {
		d, s := unsafe.Add(dst, r*dstPitch), unsafe.Add(src, r*srcPitch)
		x, y := *(*T)(s), *(*T)(unsafe.Add(s, tail))
		*(*T)(d) = x
		*(*T)(unsafe.Add(d, tail)) = y
	}
}
