//go:build !noasm

package kernel

import "unsafe"

const (
	// rowsAhead is how many rows ahead a row's lines are asked for, if the rows
	// are short; longer ones are asked for aheadBytes ahead at least.
	rowsAhead  = 16
	aheadBytes = 2 << 10
	// longRow is from how many bytes on a row is copied fastest by a call of its
	// own.
	longRow = 64 << 10
)

// copyRowsVector reports false if the rows are too short, or so long that they
// need no kernel.
func copyRowsVector(dst unsafe.Pointer, dstPitch int64, src unsafe.Pointer, srcPitch int64, rows, n int, bypass bool) bool {
	if n < vectorBytes || n >= longRow {
		return false
	}
	if rows <= 0 {
		return true
	}
	if raceEnabled {
		for r := range int64(rows) {
			raceRead(unsafe.Add(src, r*srcPitch), n)
			raceWrite(unsafe.Add(dst, r*dstPitch), n)
		}
	}
	ahead := int(srcPitch) * max(2, min(rowsAhead, aheadBytes/n))
	bypass = bypass && (uintptr(dst)|uintptr(dstPitch)|uintptr(n))%lineBytes == 0
	avx2CopyRows((*byte)(dst), int(dstPitch), (*byte)(src), int(srcPitch), rows, n, ahead, bypass)
	return true
}
