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

// scalarTile is the least edge of the tiles that transposeScalar finishes one by
// one: their lines of source and destination stay in the first-level cache.
const scalarTile = 16

// transposeScalar moves tiles of about scalarTile² elements, along their longer
// edge.
func (m *matrix) transposeScalar(rows, cols int) {
	if rows == 0 || cols == 0 {
		return
	}
	height := max(scalarTile, scalarTile*scalarTile/cols)
	width := max(scalarTile, scalarTile*scalarTile/rows)
	for r := 0; r < rows; r += height {
		for c := 0; c < cols; c += width {
			m.tileScalar(r, c, min(height, rows-r), min(width, cols-c))
		}
	}
}

func (m *matrix) tileScalar(r, c, rows, cols int) {
	if rows > cols {
		for i := c; i < c+cols; i++ {
			move(m.dstAt(r, i), m.rowStride, m.srcAt(r, i), int64(m.es), rows, m.es)
		}
		return
	}
	for i := r; i < r+rows; i++ {
		move(m.dstAt(i, c), int64(m.es), m.srcAt(i, c), m.colStride, cols, m.es)
	}
}
