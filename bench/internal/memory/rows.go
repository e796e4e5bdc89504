package memory

import (
	"cmp"
	"iter"
	"slices"

	"github.com/monel-dev/monel/bench/internal/layouts"
)

// row is a run of a tensor's elements at a constant distance in storage, whose
// logical indices are at a constant distance too.
type row struct {
	at, stride      int64 // storage element of the first, and distance
	index, increase int64 // logical index of the first, and distance
	n               int64
}

// rows yields every element of a tensor once, in an order that is kind to
// memory: the dimension with the smallest stride is the innermost.
func rows(s layouts.Spec) iter.Seq[row] {
	type dim struct{ n, stride, increase int64 }
	var dims []dim
	increase := int64(1)
	for i, n := range slices.Backward(s.Shape) {
		if n != 1 {
			dims = append(dims, dim{n, s.Strides[i], increase})
		}
		increase *= n
	}
	slices.SortFunc(dims, func(a, b dim) int { return cmp.Compare(abs(b.stride), abs(a.stride)) })
	inner := dim{n: 1, stride: 1, increase: 1}
	if len(dims) > 0 {
		inner, dims = dims[len(dims)-1], dims[:len(dims)-1]
	}
	return func(yield func(row) bool) {
		if s.Count() == 0 {
			return
		}
		counter := make([]int64, len(dims))
		r := row{at: s.Offset, stride: inner.stride, increase: inner.increase, n: inner.n}
		for {
			if !yield(r) {
				return
			}
			d := len(dims) - 1
			for ; d >= 0; d-- {
				r.at += dims[d].stride
				r.index += dims[d].increase
				if counter[d]++; counter[d] < dims[d].n {
					break
				}
				r.at -= dims[d].stride * dims[d].n
				r.index -= dims[d].increase * dims[d].n
				counter[d] = 0
			}
			if d < 0 {
				return
			}
		}
	}
}

func abs(x int64) int64 { return max(x, -x) }
