package engine

import (
	"github.com/monel-dev/monel/ring"
	"github.com/monel-dev/monel/strided"
)

// seenAhead is how many chunks that are going to be packed from a device's memory are
// said ahead: one that is being sent, one that is there, and one that is on its way.
const seenAhead = 3

// foresight goes through a ring's plan ahead of who carries it out, and tells the views
// of a device's tensors what of them will be packed. A nil foresight does nothing.
type foresight struct {
	plan ring.Plan
	told int // steps that pack and have not been carried out
	// packs says what a step packs or reduces, nothing if lo is hi.
	packs func(s ring.Step) (v strided.View, lo, hi int64)
}

// foresee returns the foresight of a plan in its beginning, nil if v is in host memory.
func foresee(v strided.View, plan func(ring.Config) (ring.Plan, error), cfg ring.Config, packs func(ring.Step) (strided.View, int64, int64)) *foresight {
	if !v.Staged() {
		return nil
	}
	p, err := plan(cfg)
	if err != nil {
		return nil
	}
	return &foresight{plan: p, packs: packs}
}

// before is called before a step.
func (f *foresight) before() {
	if f == nil {
		return
	}
	for f.told < seenAhead {
		s, ok := f.plan.Next()
		if !ok {
			return
		}
		if v, lo, hi := f.packs(s); lo < hi {
			v.Ahead(lo, hi)
			f.told++
		}
	}
}

// after is called after a step.
func (f *foresight) after(s ring.Step) {
	if f == nil {
		return
	}
	if _, lo, hi := f.packs(s); lo < hi {
		f.told--
	}
}
