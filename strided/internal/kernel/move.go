package kernel

import "unsafe"

// Copy copies n bytes. dst and src do not overlap, or are the same.
func Copy(dst, src unsafe.Pointer, n int) {
	copy(unsafe.Slice((*byte)(dst), n), unsafe.Slice((*byte)(src), n))
}

// Gather packs n elements of es bytes, srcStride bytes apart, into contiguous
// memory. The stride may be zero or negative.
func Gather(dst, src unsafe.Pointer, n, es int, srcStride int64) {
	move(dst, int64(es), src, srcStride, n, es)
}

// Scatter spreads n contiguous elements of es bytes to places dstStride bytes
// apart. The stride may be negative.
func Scatter(dst, src unsafe.Pointer, n, es int, dstStride int64) {
	move(dst, dstStride, src, int64(es), n, es)
}

// Transpose stores dst[r*dstRowStride + c*es] = src[r*es + c*srcColStride] for
// rows × cols elements of es bytes: the source is contiguous along rows, the
// destination along columns. Strides count bytes and may have any sign; dst's
// rows do not overlap.
func Transpose(dst unsafe.Pointer, dstRowStride int64, src unsafe.Pointer, srcColStride int64, rows, cols, es int) {
	transposeScalar(dst, dstRowStride, src, srcColStride, rows, cols, es)
}
