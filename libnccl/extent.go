//go:build cgo && linux

package main

import "math/bits"

// extent is how far, in elements, a tensor's elements lie below and above its element
// (0, 0, ...), and whether there are any. It is not ok if a size is negative or the
// numbers are too large for an address.
func extent(shape, strides []int64) (below, above int64, some, ok bool) {
	some = true
	for _, n := range shape {
		if n < 0 {
			return 0, 0, false, false
		}
		some = some && n > 0
	}
	if !some {
		return 0, 0, false, true
	}
	const most = 1 << 56
	for i, n := range shape {
		to, stride := &above, uint64(strides[i])
		if strides[i] < 0 {
			to, stride = &below, -stride
		}
		hi, far := bits.Mul64(uint64(n-1), stride)
		if hi != 0 || far > most {
			return 0, 0, false, false
		}
		if *to += int64(far); *to > most {
			return 0, 0, false, false
		}
	}
	return below, above, true, true
}

// rowMajor are the strides of a contiguous tensor.
func rowMajor(shape []int64) []int64 {
	strides := make([]int64, len(shape))
	n := int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = n
		n *= max(shape[i], 1)
	}
	return strides
}
