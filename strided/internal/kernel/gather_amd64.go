//go:build !noasm

package kernel

import "unsafe"

// vectorBytes is what one step of the gathering kernels stores.
const vectorBytes = 32

// gatherVector packs the leading elements that a kernel exists for and returns
// how many those are.
func gatherVector(dst, src unsafe.Pointer, n, es int, stride int64) int {
	if !wholeSize(es) {
		return 0
	}
	step := vectorBytes / es
	switch stride {
	case int64(2 * es):
		// The kernel reads the gap after its last element too.
		n = (n - 1) / step * step
		if n > 0 {
			everySecond(dst, src, n, es)
		}
	case int64(-es):
		n -= n % step
		if n > 0 {
			reverse(dst, unsafe.Add(src, -(n-1)*es), n, es)
		}
	default:
		return 0
	}
	return max(n, 0)
}

// scatterVector spreads the leading elements that a kernel exists for.
func scatterVector(dst, src unsafe.Pointer, n, es int, stride int64) int {
	if !wholeSize(es) || stride != int64(-es) {
		return 0
	}
	n -= n % (vectorBytes / es)
	if n > 0 {
		reverse(unsafe.Add(dst, -(n-1)*es), src, n, es)
	}
	return n
}

func wholeSize(es int) bool { return es&(es-1) == 0 && es <= 16 }

func everySecond(dst, src unsafe.Pointer, n, es int) {
	if raceEnabled {
		// What lies between the elements is read, but does not count.
		for i := range n {
			raceRead(unsafe.Add(src, 2*i*es), es)
		}
		raceWrite(dst, n*es)
	}
	d, s := (*byte)(dst), (*byte)(src)
	switch es {
	case 1:
		avx2EverySecond1(d, s, n)
	case 2:
		avx2EverySecond2(d, s, n)
	case 4:
		avx2EverySecond4(d, s, n)
	case 8:
		avx2EverySecond8(d, s, n)
	case 16:
		avx2EverySecond16(d, s, n)
	}
}

func reverse(dst, src unsafe.Pointer, n, es int) {
	raceRead(src, n*es)
	raceWrite(dst, n*es)
	d, s := (*byte)(dst), (*byte)(src)
	switch es {
	case 1:
		avx2Reverse1(d, s, n)
	case 2:
		avx2Reverse2(d, s, n)
	case 4:
		avx2Reverse4(d, s, n)
	case 8:
		avx2Reverse8(d, s, n)
	case 16:
		avx2Reverse16(d, s, n)
	}
}
