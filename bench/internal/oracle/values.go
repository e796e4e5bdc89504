package oracle

import (
	"math/rand/v2"

	"github.com/monel-dev/monel/strided/dtype"
)

// largest bounds the magnitude of one rank's value, so that a table has
// numbers that people can read.
const largest = 100

// values makes every rank's value for one class.
func values(f format, op dtype.Op, ranks int, r *rand.Rand) []float64 {
	switch op {
	case dtype.Prod:
		return factors(f, ranks, r)
	case dtype.Max, dtype.Min:
		return spread(f, ranks, min(f.exact, largest), r)
	case MulSum:
		f.exact /= int64(Factor(1)) // for the products
		return summands(f, ranks, r)
	default:
		return summands(f, ranks, r)
	}
}

// summands are integers whose magnitudes add up to at most f.exact. With more
// ranks than that, only so many of them, drawn by lot, have a value other than 0.
func summands(f format, ranks int, r *rand.Rand) []float64 {
	if each := f.exact / int64(ranks); each > 0 {
		return spread(f, ranks, min(each, largest), r)
	}
	v := make([]float64, ranks)
	for _, rank := range r.Perm(ranks)[:f.exact] {
		v[rank] = sign(f, r)
	}
	return v
}

// spread draws integers of magnitude up to limit.
func spread(f format, ranks int, limit int64, r *rand.Rand) []float64 {
	v := make([]float64, ranks)
	for rank := range v {
		if f.kind == unsigned {
			v[rank] = float64(r.Int64N(limit + 1))
		} else {
			v[rank] = float64(r.Int64N(2*limit+1) - limit)
		}
	}
	return v
}

// doublings is how many ranks may double or halve a product: 3 * 2**doublings
// fits an int8, and 2**-doublings is a normal number in every float type.
const doublings = 5

// factors are numbers whose product is exact in every order.
func factors(f format, ranks int, r *rand.Rand) []float64 {
	v := make([]float64, ranks)
	for rank := range v {
		v[rank] = sign(f, r)
	}
	v[r.IntN(ranks)] *= 3
	for range r.IntN(doublings + 1) {
		rank := r.IntN(ranks)
		if f.kind == float && r.IntN(2) == 0 {
			v[rank] /= 2
		} else {
			v[rank] *= 2
		}
	}
	return v
}

func sign(f format, r *rand.Rand) float64 {
	if f.kind != unsigned && r.IntN(2) == 0 {
		return -1
	}
	return 1
}

// reduce is the scalar reference: one value after the other, in float64, where
// everything here is exact, and the average's one division in the type that
// the engine documents: float32 for narrow floats, integers truncate.
func reduce(f format, dt dtype.DType, op dtype.Op, v []float64) float64 {
	acc := v[0]
	for _, x := range v[1:] {
		switch op {
		case dtype.Prod:
			acc *= x
		case dtype.Max:
			acc = max(acc, x)
		case dtype.Min:
			acc = min(acc, x)
		default:
			acc += x
		}
	}
	if op != dtype.Avg {
		return acc
	}
	switch {
	case f.kind != float:
		return float64(int64(acc) / int64(len(v)))
	case dt == dtype.Float64:
		return acc / float64(len(v))
	default:
		return float64(float32(acc) / float32(len(v)))
	}
}
