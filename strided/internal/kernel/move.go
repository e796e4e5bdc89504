package kernel

import "unsafe"

// Copy copies n bytes. dst and src do not overlap, or are the same. It is the
// language's own copy, which already bypasses the cache where that pays.
func Copy(dst, src unsafe.Pointer, n int) {
	copy(unsafe.Slice((*byte)(dst), n), unsafe.Slice((*byte)(src), n))
}

// CopyRows copies rows runs of n bytes between places dstPitch and srcPitch bytes
// apart, a part of a move of total bytes. Pitches may have any sign; source and
// destination do not overlap, nor do the destination's runs.
func CopyRows(dst unsafe.Pointer, dstPitch int64, src unsafe.Pointer, srcPitch int64, rows, n int, total int64) {
	if active != Scalar && copyRowsVector(dst, dstPitch, src, srcPitch, rows, n, total >= bypassBytes) {
		return
	}
	for r := range int64(rows) {
		Copy(unsafe.Add(dst, r*dstPitch), unsafe.Add(src, r*srcPitch), n)
	}
}

// Gather packs n elements of es bytes, srcStride bytes apart, into contiguous
// memory. The stride may be zero or negative. Bytes between the elements may be
// read, none beyond them.
func Gather(dst, src unsafe.Pointer, n, es int, srcStride int64) {
	if srcStride == int64(es) {
		Copy(dst, src, n*es)
		return
	}
	done := 0
	if active != Scalar {
		done = gatherVector(dst, src, n, es, srcStride)
	}
	if done < n {
		move(unsafe.Add(dst, done*es), int64(es), unsafe.Add(src, int64(done)*srcStride), srcStride, n-done, es)
	}
}

// Scatter spreads n contiguous elements of es bytes to places dstStride bytes
// apart. The stride may be negative. Bytes between the elements are not written.
func Scatter(dst, src unsafe.Pointer, n, es int, dstStride int64) {
	if dstStride == int64(es) {
		Copy(dst, src, n*es)
		return
	}
	done := 0
	if active != Scalar {
		done = scatterVector(dst, src, n, es, dstStride)
	}
	if done < n {
		move(unsafe.Add(dst, int64(done)*dstStride), dstStride, unsafe.Add(src, done*es), int64(es), n-done, es)
	}
}

// Transpose stores dst[r*dstRowStride + c*es] = src[r*es + c*srcColStride] for
// rows × cols elements of es bytes, es one of 1, 2, 4, 8, 16: the source is
// contiguous along rows, the destination along columns. Strides count bytes and
// may have any sign; dst's rows do not overlap.
func Transpose(dst unsafe.Pointer, dstRowStride int64, src unsafe.Pointer, srcColStride int64, rows, cols, es int) {
	m := matrix{dst, dstRowStride, src, srcColStride, es}
	if active == Scalar || !m.transposeVector(rows, cols, rows*cols*es >= bypassBytes) {
		m.transposeScalar(rows, cols)
	}
}

// TransposePart is Transpose for a part of a move of total bytes.
func TransposePart(dst unsafe.Pointer, dstRowStride int64, src unsafe.Pointer, srcColStride int64, rows, cols, es int, total int64) {
	m := matrix{dst, dstRowStride, src, srcColStride, es}
	if active == Scalar || !m.transposeVector(rows, cols, total >= bypassBytes) {
		m.transposeScalar(rows, cols)
	}
}

// bypassBytes is the size of a move from which the destination bypasses the
// cache, where a kernel can do that: it would not stay there.
const bypassBytes = 8 << 20

// matrix is what Transpose moves.
type matrix struct {
	dst       unsafe.Pointer
	rowStride int64 // of dst, in bytes
	src       unsafe.Pointer
	colStride int64 // of src, in bytes
	es        int
}

func (m *matrix) dstAt(r, c int) unsafe.Pointer {
	return unsafe.Add(m.dst, int64(r)*m.rowStride+int64(c*m.es))
}

func (m *matrix) srcAt(r, c int) unsafe.Pointer {
	return unsafe.Add(m.src, int64(r*m.es)+int64(c)*m.colStride)
}

// race tells the race detector what assembly is about to touch.
func (m *matrix) race(rows, cols int) {
	if !raceEnabled {
		return
	}
	for c := range cols {
		raceRead(m.srcAt(0, c), rows*m.es)
	}
	for r := range rows {
		raceWrite(m.dstAt(r, 0), cols*m.es)
	}
}
