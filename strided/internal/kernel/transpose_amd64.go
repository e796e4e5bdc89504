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
)

// transposeVector transposes squares whose edge is a cache line. Where the
// matrix ends within a square, the square moves back and overlaps the one before:
// an element moved twice is the same element. It reports false if the matrix is
// too small to pay.
func (m *matrix) transposeVector(rows, cols int, bypass bool) bool {
	edge := lineBytes / m.es
	if rows < edge || cols < edge {
		return m.transposeLanes(rows, cols) ||
			2*min(rows, edge)*min(cols, edge) > edge*edge && m.transposePadded(rows, cols)
	}
	m.race(rows, cols)
	bypass = bypass && (uintptr(m.dst)|uintptr(m.rowStride))%lineBytes == 0
	whole := cols - cols%edge
	for c := 0; c < whole; c += stripColumns {
		m.strips(rows, c, min(stripColumns, whole-c), bypass)
	}
	if whole < cols {
		m.strips(rows, cols-edge, edge, false)
	}
	return true
}

// strips transposes all rows of some columns. Strips begin where lines of the
// source do, if those of all columns begin at the same row: a line is then read
// once.
func (m *matrix) strips(rows, c, cols int, bypass bool) {
	edge := lineBytes / m.es
	r, last := 0, rows-edge
	if off := int(uintptr(m.src)%lineBytes) / m.es; off > 0 && rows > edge && m.colStride%lineBytes == 0 && uintptr(m.src)%uintptr(m.es) == 0 {
		m.strip(0, c, 1, cols, bypass)
		r = edge - off
	}
	for ; r <= last; r += stripLines * edge {
		m.strip(r, c, min(stripLines, (rows-r)/edge), cols, bypass)
	}
	if (rows-r)%edge != 0 {
		m.strip(last, c, 1, cols, bypass)
	}
}

// laneBytes is the edge in bytes of the least squares that have a kernel.
const laneBytes = 16

// transposeLanes transposes matrices that are narrower than a line but not than
// a lane, lane by lane. It reports false if the matrix is not one.
func (m *matrix) transposeLanes(rows, cols int) bool {
	k, step := laneBytes/m.es, vectorBytes/m.es
	if m.es < 2 || m.es > 8 {
		return false
	}
	switch {
	case rows <= cols && rows >= k && cols >= step:
		m.race(rows, cols)
		// A block's lines of the source stay in the first-level cache from one
		// lane to the next.
		for c := 0; c < cols; c += stripColumns {
			for r := 0; r < rows; r += k {
				m.flat(min(r, rows-k), c, min(stripColumns, cols-c))
			}
		}
	case rows > cols && cols >= k && rows >= step:
		m.race(rows, cols)
		for r := 0; r < rows; r += stripColumns {
			for c := 0; c < cols; c += k {
				m.tall(r, min(c, cols-k), min(stripColumns, rows-r))
			}
		}
	default:
		return false
	}
	return true
}

// flat transposes a lane's rows from row r, and cols columns from column c. At
// the end it moves back like transposeVector, beyond c if it must.
func (m *matrix) flat(r, c, cols int) {
	step := vectorBytes / m.es
	if whole := cols - cols%step; whole > 0 {
		m.flatBlocks(r, c, whole)
	}
	if cols%step != 0 {
		m.flatBlocks(r, c+cols-step, step)
	}
}

func (m *matrix) flatBlocks(r, c, cols int) {
	dst, src := (*byte)(m.dstAt(r, c)), (*byte)(m.srcAt(r, c))
	switch m.es {
	case 2:
		avx2TransposeFlat2(dst, int(m.rowStride), src, int(m.colStride), cols)
	case 4:
		avx2TransposeFlat4(dst, int(m.rowStride), src, int(m.colStride), cols)
	case 8:
		avx2TransposeFlat8(dst, int(m.rowStride), src, int(m.colStride), cols)
	}
}

// tall is flat with rows and columns exchanged.
func (m *matrix) tall(r, c, rows int) {
	step := vectorBytes / m.es
	if whole := rows - rows%step; whole > 0 {
		m.tallBlocks(r, c, whole)
	}
	if rows%step != 0 {
		m.tallBlocks(r+rows-step, c, step)
	}
}

func (m *matrix) tallBlocks(r, c, rows int) {
	dst, src := (*byte)(m.dstAt(r, c)), (*byte)(m.srcAt(r, c))
	switch m.es {
	case 2:
		avx2TransposeTall2(dst, int(m.rowStride), src, int(m.colStride), rows)
	case 4:
		avx2TransposeTall4(dst, int(m.rowStride), src, int(m.colStride), rows)
	case 8:
		avx2TransposeTall8(dst, int(m.rowStride), src, int(m.colStride), rows)
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
