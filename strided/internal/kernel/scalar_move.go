package kernel

import "unsafe"

// move copies n elements of es bytes between two strided runs.
func move(dst unsafe.Pointer, dstStride int64, src unsafe.Pointer, srcStride int64, n, es int) {
	switch es {
	case 1:
		moveAs[uint8](dst, dstStride, src, srcStride, n)
	case 2:
		moveAs[uint16](dst, dstStride, src, srcStride, n)
	case 4:
		moveAs[uint32](dst, dstStride, src, srcStride, n)
	case 8:
		moveAs[uint64](dst, dstStride, src, srcStride, n)
	case 16:
		moveAs[[2]uint64](dst, dstStride, src, srcStride, n)
	default:
		for i := range int64(n) {
			Copy(unsafe.Add(dst, i*dstStride), unsafe.Add(src, i*srcStride), es)
		}
	}
}

func moveAs[T any](dst unsafe.Pointer, dstStride int64, src unsafe.Pointer, srcStride int64, n int) {
	i, end := int64(0), int64(n)
	for ; i+4 <= end; i += 4 {
		d, s := unsafe.Add(dst, i*dstStride), unsafe.Add(src, i*srcStride)
		*(*T)(d) = *(*T)(s)
		*(*T)(unsafe.Add(d, dstStride)) = *(*T)(unsafe.Add(s, srcStride))
		*(*T)(unsafe.Add(d, 2*dstStride)) = *(*T)(unsafe.Add(s, 2*srcStride))
		*(*T)(unsafe.Add(d, 3*dstStride)) = *(*T)(unsafe.Add(s, 3*srcStride))
	}
	for ; i < end; i++ {
		*(*T)(unsafe.Add(dst, i*dstStride)) = *(*T)(unsafe.Add(src, i*srcStride))
	}
}

// scalarTile is the edge of the square that transposeScalar finishes before it
// goes on: its lines of source and destination stay in the first-level cache.
const scalarTile = 16

// transposeScalar moves the rectangle of rows [r0, r1) and columns [c0, c1).
func (m *matrix) transposeScalar(r0, c0, r1, c1 int) {
	for r := r0; r < r1; r += scalarTile {
		for c := c0; c < c1; c += scalarTile {
			for i := r; i < min(r+scalarTile, r1); i++ {
				move(m.dstAt(i, c), int64(m.es), m.srcAt(i, c), m.colStride, min(scalarTile, c1-c), m.es)
			}
		}
	}
}
