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
	for i := range int64(n) {
		*(*T)(unsafe.Add(dst, i*dstStride)) = *(*T)(unsafe.Add(src, i*srcStride))
	}
}

// transposeTile is the edge of the square that transposeScalar finishes before
// it goes on: its lines of source and destination stay in the first-level cache.
const transposeTile = 16

func transposeScalar(dst unsafe.Pointer, dstRowStride int64, src unsafe.Pointer, srcColStride int64, rows, cols, es int) {
	for r := 0; r < rows; r += transposeTile {
		for c := 0; c < cols; c += transposeTile {
			d := unsafe.Add(dst, int64(r)*dstRowStride+int64(c*es))
			s := unsafe.Add(src, int64(r*es)+int64(c)*srcColStride)
			h, w := min(transposeTile, rows-r), min(transposeTile, cols-c)
			for i := range h {
				move(unsafe.Add(d, int64(i)*dstRowStride), int64(es), unsafe.Add(s, i*es), srcColStride, w, es)
			}
		}
	}
}
