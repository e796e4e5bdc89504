package strided

import "math/bits"

// maxBytes bounds the bytes that a layout spans and the bytes that its elements
// would take if packed. It is beyond any address space and small enough that
// sums of a few such quantities cannot overflow an int64.
const maxBytes = int64(1) << 58

// mulCapped is a*b for a, b >= 0, or false when it exceeds limit.
func mulCapped(a, b, limit int64) (int64, bool) {
	high, low := bits.Mul64(uint64(a), uint64(b))
	if high != 0 || low > uint64(limit) {
		return 0, false
	}
	return int64(low), true
}

// magnitude is |x|, which for the least int64 does not fit an int64.
func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// inverse is the x in [0,m) with a*x = 1 mod m, for gcd(a,m) = 1 and m > 0.
func inverse(a, m int64) int64 {
	r0, r1 := m, a%m
	t0, t1 := int64(0), int64(1)
	for r1 != 0 {
		q := r0 / r1
		r0, r1 = r1, r0-q*r1
		t0, t1 = t1, t0-q*t1
	}
	if t0 < 0 {
		t0 += m
	}
	return t0 % m
}

// mulMod is a*b mod m for a, b in [0,m).
func mulMod(a, b, m int64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b))
	_, rem := bits.Div64(high, low, uint64(m))
	return int64(rem)
}
