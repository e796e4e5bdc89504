package simulate

import (
	"fmt"

	"github.com/monel-dev/monel/tree"
)

// Reduce carries out a reduce along a tree, on all ranks: the root must get a sum of all
// of them.
func Reduce(c tree.Config) (f Figures, err error) {
	var visit func(position int) (ranks int, hops int64, err error)
	visit = func(position int) (int, int64, error) {
		own := c
		own.Rank = position
		plan, err := tree.Reduce(own)
		if err != nil {
			return 0, 0, err
		}
		ranks, hops := 1, int64(0)
		for _, child := range plan.Children() {
			n, h, err := visit(child)
			if err != nil {
				return 0, 0, err
			}
			ranks += n
			hops = max(hops, h+1) // siblings' sums come side by side
		}
		steps, elements := int64(0), int64(0)
		for s := range plan.Steps() {
			steps++
			elements += s.Hi - s.Lo
		}
		if c.Size > 1 && elements != c.Count {
			return 0, 0, fmt.Errorf("rank %d of %d handles %d of %d elements", position, c.Size, elements, c.Count)
		}
		f.Steps = max(f.Steps, steps)
		if plan.Parent() >= 0 {
			f.Sent = max(f.Sent, elements)
			f.Total += elements
			f.Messages = steps
		} else if position != c.Root {
			return 0, 0, fmt.Errorf("rank %d of %d has no parent", position, c.Size)
		}
		return ranks, hops, nil
	}
	ranks, hops, err := visit(c.Root)
	if err == nil && ranks != c.Size {
		err = fmt.Errorf("%d of %d ranks are in the sum", ranks, c.Size)
	}
	f.Hops = hops
	return f, err
}

// Gather carries out a gather of a block of count elements from each rank along a binomial
// tree, whose links carry the blocks of their subtrees; turned around, it is a scatter.
// Sent is what the rank next to the root with the most blocks passes on.
func Gather(size int, count int64) (f Figures, err error) {
	var visit func(position int) (blocks int, hops int64, err error)
	visit = func(position int) (int, int64, error) {
		own, parent, children, err := tree.Branches(tree.Config{Size: size, Rank: position})
		if err != nil {
			return 0, 0, err
		}
		blocks, hops := 1, int64(0)
		for _, child := range children {
			n, h, err := visit(child.Position)
			if err != nil {
				return 0, 0, err
			}
			if n != child.Size {
				return 0, 0, fmt.Errorf("the branch of %d in %d has %d ranks, not %d", child.Position, size, n, child.Size)
			}
			blocks += n
			hops = max(hops, h+1)
		}
		if blocks != own.Size || own.First != position {
			return 0, 0, fmt.Errorf("rank %d of %d collects %d blocks for %+v", position, size, blocks, own)
		}
		f.Steps = max(f.Steps, int64(len(children)))
		if parent >= 0 {
			f.Sent = max(f.Sent, int64(blocks)*count)
			f.Total += int64(blocks) * count
			f.Messages = 1
		}
		return blocks, hops, nil
	}
	blocks, hops, err := visit(0)
	if err == nil && blocks != size {
		err = fmt.Errorf("%d of %d blocks arrive", blocks, size)
	}
	f.Hops = hops
	return f, err
}
