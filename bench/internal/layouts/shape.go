package layouts

import "math"

// Shape is the shape that a tensor of count elements has under layout n, the
// same on every rank: (N, C, H, W) for ChannelsLast and Mixed, (rows, columns)
// for the others. The product is count exactly, so the sizes in a table are the
// sizes moved; a prime count has one dimension that is not 1. Dimensions are
// divisors of count chosen so that
//
//	rows <= columns, as close to each other as divisors allow;
//	N <= 4 and C <= 64, small for small counts; H <= W, close to each other.
//
// A count of 4 Mi makes (4, 64, 128, 128), or 2048 x 2048.
func (n Name) Shape(count int64) []int64 {
	if n == ChannelsLast || n == Mixed {
		return nchw(count)
	}
	rows := divisor(count, root(count, 2))
	return []int64{rows, count / rows}
}

func nchw(count int64) []int64 {
	n := divisor(count, min(4, root(count, 4)))
	rest := count / n
	c := divisor(rest, min(64, root(rest, 3)))
	rest /= c
	h := divisor(rest, root(rest, 2))
	return []int64{n, c, h, rest / h}
}

// divisor is the largest divisor of count that is at most limit, and 1 for a
// count of 0.
func divisor(count, limit int64) int64 {
	if count == 0 {
		return 1
	}
	for d := limit; d > 1; d-- {
		if count%d == 0 {
			return d
		}
	}
	return 1
}

// root is the integer part of the k-th root of n.
func root(n int64, k int) int64 {
	r := int64(math.Round(math.Pow(float64(n), 1/float64(k))))
	if power(r, k) > n {
		r--
	}
	return r
}

func power(r int64, k int) int64 {
	p := int64(1)
	for range k {
		p *= r
	}
	return p
}
