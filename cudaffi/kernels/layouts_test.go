package kernels

import (
	"math/rand/v2"

	"github.com/monel-dev/monel/strided"
	"github.com/monel-dev/monel/strided/dtype"
)

// dense is a tensor without gaps.
func dense(rng *rand.Rand, dt dtype.DType, shape ...int64) tensor {
	count := int64(1)
	for _, n := range shape {
		count *= n
	}
	data := values(rng, dt, int(count)*dt.Size())
	return tensor{strided.FromBytes(dt, data).Reshape(shape...), data}
}

// seen is x's memory seen through a chain of views.
func (x tensor) seen(f func(strided.Tensor) strided.Tensor) tensor {
	return tensor{f(x.Tensor), x.data}
}

// table is layouts that the planner treats differently, by name.
func table(rng *rand.Rand, dt dtype.DType) map[string]tensor {
	d := func(shape ...int64) tensor { return dense(rng, dt, shape...) }
	type T = strided.Tensor
	return map[string]tensor{
		"contiguous":        d(60, 70),
		"misaligned":        d(4203).seen(func(t T) T { return t.Slice(0, 1, 4202) }),
		"one":               d(1),
		"transpose":         d(130, 70).seen(func(t T) T { return t.Permute(1, 0) }),
		"aligned transpose": d(192, 160).seen(func(t T) T { return t.Permute(1, 0) }),
		"inner transpose":   d(200, 160).seen(func(t T) T { return t.Slice(0, 3, 180).Slice(1, 5, 150).Permute(1, 0) }),
		"reversed rows":     d(128, 96).seen(func(t T) T { return t.Permute(1, 0).Reverse(0) }),
		"reversed columns":  d(128, 96).seen(func(t T) T { return t.Permute(1, 0).Reverse(1) }),
		"upside down":       d(128, 96).seen(func(t T) T { return t.Reverse(0).Reverse(1) }),
		"nchw as nhwc":      d(2, 5, 9, 31).seen(func(t T) T { return t.Permute(0, 2, 3, 1) }),
		"nhwc as nchw":      d(2, 16, 16, 32).seen(func(t T) T { return t.Permute(0, 3, 1, 2) }),
		"pixels":            d(40, 50, 3).seen(func(t T) T { return t.Permute(2, 0, 1) }),
		"planes":            d(3, 40, 50).seen(func(t T) T { return t.Permute(1, 2, 0) }),
		"swapped middle":    d(4, 24, 6, 32).seen(func(t T) T { return t.Permute(3, 1, 2, 0) }),
		"all reversed":      d(9, 8, 7, 6, 2).seen(func(t T) T { return t.Permute(4, 3, 2, 1, 0) }),
		"slice":             d(50, 90).seen(func(t T) T { return t.Slice(1, 3, 70) }),
		"aligned runs":      d(50, 96).seen(func(t T) T { return t.Slice(1, 16, 80) }),
		"column":            d(500, 7).seen(func(t T) T { return t.Select(1, 3) }),
		"pairs":             d(40, 30, 2).seen(func(t T) T { return t.Permute(1, 0, 2) }),
		"octets":            d(40, 30, 8).seen(func(t T) T { return t.Permute(1, 0, 2) }),
		"steps":             d(60, 70).seen(func(t T) T { return t.Step(0, 2).Step(1, 3).Permute(1, 0) }),
		"expanded":          d(1, 40, 1).seen(func(t T) T { return t.Expand(30, 40, 3) }),
		"expanded rows":     d(1, 40).seen(func(t T) T { return t.Expand(33, 40).Permute(1, 0) }),
		"many dims":         d(2, 3, 2, 3, 2, 3, 2, 3, 2, 3).seen(func(t T) T { return t.Permute(9, 0, 8, 1, 7, 2, 6, 3, 5, 4) }),
	}
}

// randomTensor is a tensor of at most limit elements, seen through random views.
func randomTensor(rng *rand.Rand, dt dtype.DType, limit int64) tensor {
	shape := make([]int64, rng.IntN(6))
	count := int64(1)
	for i := range shape {
		most := max(1, limit/count)
		if rng.IntN(3) > 0 {
			most = min(most, 12)
		}
		shape[i] = 1 + rng.Int64N(most)
		if rng.IntN(3) == 0 {
			shape[i] = min(most, 1<<rng.IntN(9))
		}
		count *= shape[i]
	}
	x := dense(rng, dt, shape...)
	for range rng.IntN(5) {
		if n := x.Layout().NumDims(); n > 0 {
			x.Tensor = randomStep(rng, x.Tensor, rng.IntN(n))
		}
	}
	return x
}

// randomStep is x after one view operation, on dimension d if it is of one.
func randomStep(rng *rand.Rand, x strided.Tensor, d int) strided.Tensor {
	n := x.Layout().Size(d)
	switch rng.IntN(7) {
	case 0:
		lo := rng.Int64N(n + 1)
		return x.Slice(d, lo, lo+rng.Int64N(n-lo+1))
	case 1:
		return x.Step(d, 1+rng.Int64N(3))
	case 2:
		return x.Reverse(d)
	case 3:
		if n > 0 {
			return x.Select(d, rng.Int64N(n))
		}
		return x
	default:
		return x.Permute(rng.Perm(x.Layout().NumDims())...)
	}
}

// like is another tensor of x's shape, whose elements do not overlap: room for
// gaps, permuted and sliced back to the shape.
func like(rng *rand.Rand, x tensor) tensor {
	shape := x.Shape()
	perm := rng.Perm(len(shape))
	if rng.IntN(3) == 0 {
		for i := range perm {
			perm[i] = i
		}
	}
	room := make([]int64, len(shape))
	back := make([]int, len(shape))
	count := x.Count()
	for i, d := range perm {
		room[i] = shape[d]
		more := shape[d] + 1 + rng.Int64N(16)
		if rng.IntN(3) == 0 && count/max(shape[d], 1)*more < 1<<17 {
			room[i] = more
			count = count / max(shape[d], 1) * more
		}
		back[d] = i
	}
	y := dense(rng, x.DType(), room...)
	y.Tensor = y.Permute(back...)
	for d, n := range shape {
		lo := rng.Int64N(y.Layout().Size(d) - n + 1)
		y.Tensor = y.Slice(d, lo, lo+n)
		if rng.IntN(6) == 0 {
			y.Tensor = y.Reverse(d)
		}
	}
	return y
}

// randomRange is part of [0,n), often all of it, or whole units at its start.
func randomRange(rng *rand.Rand, n int64) (lo, hi int64) {
	switch rng.IntN(4) {
	case 0:
		return 0, n
	case 1:
		lo = rng.Int64N(n+1) / 16 * 16
		return lo, lo + rng.Int64N(n-lo+1)
	default:
		lo = rng.Int64N(n + 1)
		return lo, lo + rng.Int64N(n-lo+1)
	}
}
