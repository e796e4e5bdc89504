//go:build !noasm

package kernel

import "unsafe"

const (
	// lineBytes is the edge in bytes of the square that a vector kernel moves at
	// once: a line of the cache.
	lineBytes = 64

	// stripColumns is how far a strip of rows goes along the destination before
	// the next strip starts: few enough for the processor to remember where the
	// page of each column is, even if only a part of its memory for that serves
	// strides of a power of two.
	stripColumns = 256

	// stripLines is how many lines of each column a strip takes, so that a visit
	// to a page yields more than one.
	stripLines = 4

	// bypassBytes is the size from which the destination bypasses the cache: it
	// would not stay there.
	bypassBytes = 8 << 20
)

// transposeVector transposes squares whose edge is a cache line. Where the
// matrix ends within a square, the square moves back and overlaps the one before:
// an element moved twice is the same element. It reports false if the matrix is
// too small to pay.
func (m *matrix) transposeVector(rows, cols int) bool {
	edge := lineBytes / m.es
	if rows < edge || cols < edge {
		return 2*min(rows, edge)*min(cols, edge) > edge*edge && m.transposePadded(rows, cols)
	}
	m.race(rows, cols)
	bypass := rows*cols*m.es >= bypassBytes && (uintptr(m.dst)|uintptr(m.rowStride))%lineBytes == 0
	whole := cols - cols%edge
	for c := 0; c < whole; c += stripColumns {
		m.strips(rows, c, min(stripColumns, whole-c), bypass)
	}
	if whole < cols {
		m.strips(rows, cols-edge, edge, false)
	}
	return true
}

// strips transposes all rows of some columns.
func (m *matrix) strips(rows, c, cols int, bypass bool) {
	edge := lineBytes / m.es
	r, last := 0, rows-edge
	for ; r <= last; r += stripLines * edge {
		m.strip(r, c, min(stripLines, (rows-r)/edge), cols, bypass)
	}
	if rows%edge != 0 {
		m.strip(last, c, 1, cols, bypass)
	}
}

// transposePadded transposes a matrix narrower than a square through squares of
// its own, of which it uses a part.
func (m *matrix) transposePadded(rows, cols int) bool {
	m.race(rows, cols)
	edge := lineBytes / m.es
	var from, to [lineBytes * lineBytes]byte
	square := matrix{unsafe.Pointer(&to), lineBytes, unsafe.Pointer(&from), lineBytes, m.es}
	for r := 0; r < rows; r += edge {
		for c := 0; c < cols; c += edge {
			h, w := min(edge, rows-r), min(edge, cols-c)
			for i := range w {
				Copy(square.srcAt(0, i), m.srcAt(r, c+i), h*m.es)
			}
			square.strip(0, 0, 1, edge, false)
			for i := range h {
				Copy(m.dstAt(r+i, c), square.dstAt(i, 0), w*m.es)
			}
		}
	}
	return true
}

// strip transposes the rows of some lines of the source, from row r, and cols
// columns, from column c, a multiple of the square's edge.
func (m *matrix) strip(r, c, lines, cols int, bypass bool) {
	dst, src := (*byte)(m.dstAt(r, c)), (*byte)(m.srcAt(r, c))
	if active == AVX512 {
		switch m.es {
		case 1:
			avx512Transpose1(dst, int(m.rowStride), src, int(m.colStride), lines, cols, bypass)
		case 2:
			avx512Transpose2(dst, int(m.rowStride), src, int(m.colStride), lines, cols, bypass)
		case 4:
			avx512Transpose4(dst, int(m.rowStride), src, int(m.colStride), lines, cols, bypass)
		case 8:
			avx512Transpose8(dst, int(m.rowStride), src, int(m.colStride), lines, cols, bypass)
		case 16:
			avx512Transpose16(dst, int(m.rowStride), src, int(m.colStride), lines, cols, bypass)
		}
		return
	}
	switch m.es {
	case 1:
		avx2Transpose1(dst, int(m.rowStride), src, int(m.colStride), lines, cols, bypass)
	case 2:
		avx2Transpose2(dst, int(m.rowStride), src, int(m.colStride), lines, cols, bypass)
	case 4:
		avx2Transpose4(dst, int(m.rowStride), src, int(m.colStride), lines, cols, bypass)
	case 8:
		avx2Transpose8(dst, int(m.rowStride), src, int(m.colStride), lines, cols, bypass)
	case 16:
		avx2Transpose16(dst, int(m.rowStride), src, int(m.colStride), lines, cols, bypass)
	}
}
