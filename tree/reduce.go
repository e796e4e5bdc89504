package tree

import "slices"

// Reduce plans that c.Root gets the sum of c.Count elements over all ranks, for rank
// c.Rank. It is Broadcast's tree with all links turned around.
//
// Every link carries one message per chunk, and one in all when there are no
// elements. A rank takes a chunk from each of its Children, which are listed with the
// smallest subtree first, since that is done first; adds what it gets in this order,
// to the first one its own elements, on the right; and hands the sum to its Parent.
//
// Deadlock is as impossible as for a broadcast: links lead to the root, so the rank
// farthest from it that is not done can always go on. One slot per link is enough.
//
// The bits of a sum follow from Size, Root and Algorithm: from the tree alone, not
// from Count or Chunk.
//
// In a world of one the plan has no steps. The error, if any, is a *ConfigError.
func Reduce(c Config) (Plan, error) {
	p, err := newPlan(c)
	if err != nil {
		return Plan{}, err
	}
	slices.Reverse(p.children)
	switch {
	case p.parent < 0:
		p.action = RecvReduceCopy
	case len(p.children) > 0:
		p.action = RecvReduceSend
	default:
		p.action = Send
	}
	return p, nil
}
