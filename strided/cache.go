package strided

import (
	"slices"
	"sync/atomic"
)

// plans remembers recent plans, so that a collective repeated on a layout plans
// once. It is a set-associative cache with two places per set: a plan is in
// plans[h] or plans[h^1] for its hash h. Losing a race between two insertions
// costs planning again, nothing else.
var plans [1024]atomic.Pointer[plan]

// planFor finds or makes the plan of a layout and a walk. The walk is validated
// when the plan is made: a plan that is found was made for an equal pair.
func planFor(l *Layout, w Walk) (*plan, error) {
	h := planHash(l, w) % uint64(len(plans))
	for _, i := range [2]uint64{h, h ^ 1} {
		if p := plans[i].Load(); p != nil && p.walk == w && p.dt == l.dt &&
			slices.Equal(p.shape, l.shape) && slices.Equal(p.strides, l.strides) {
			return p, nil
		}
	}
	if err := w.Validate(l.shape); err != nil {
		return nil, err
	}
	p := newPlan(l, w)
	if old := plans[h].Swap(p); old != nil {
		plans[h^1].Store(old)
	}
	return p, nil
}

func planHash(l *Layout, w Walk) uint64 {
	const odd = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio
	h := uint64(w)*odd ^ uint64(l.dt)
	for i, n := range l.shape {
		h = (h ^ uint64(n)) * odd
		h = (h>>29 ^ h ^ uint64(l.strides[i])) * odd
	}
	return h ^ h>>32
}
