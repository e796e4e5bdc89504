package simulate

import (
	"fmt"

	"github.com/monel-dev/monel/tree"
)

// Broadcast carries out a broadcast along a tree, on all ranks. Every rank must get
// every chunk once, from a rank that has it.
func Broadcast(c tree.Config) (f Figures, err error) {
	type rank struct {
		plan tree.Plan
		hops int64
		seen bool
	}
	ranks := make([]rank, c.Size)
	for r := range ranks {
		c.Rank = r
		if ranks[r].plan, err = tree.Broadcast(c); err != nil {
			return f, err
		}
	}
	// Parents before their children.
	order := []int{c.Root}
	ranks[c.Root].seen = true
	for i := 0; i < len(order); i++ {
		r := &ranks[order[i]]
		steps, elements := int64(0), int64(0)
		for s := range r.plan.Steps() {
			steps++
			elements += s.Hi - s.Lo
		}
		if c.Size > 1 && elements != c.Count {
			return f, fmt.Errorf("rank %d of %d handles %d of %d elements", order[i], c.Size, elements, c.Count)
		}
		children := r.plan.Children()
		sent := elements * int64(len(children))
		f.Hops = max(f.Hops, r.hops)
		f.Steps = max(f.Steps, steps)
		f.Sent = max(f.Sent, sent)
		f.Total += sent
		if len(children) > 0 {
			f.Messages = steps
		}
		for _, child := range children {
			q := &ranks[child]
			if q.seen || q.plan.Parent() != order[i] {
				return f, fmt.Errorf("rank %d of %d is no child of %d alone", child, c.Size, order[i])
			}
			q.seen, q.hops = true, r.hops+1
			order = append(order, child)
		}
	}
	if len(order) != c.Size {
		return f, fmt.Errorf("%d of %d ranks are reached", len(order), c.Size)
	}
	return f, nil
}
