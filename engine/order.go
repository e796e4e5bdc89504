package engine

import (
	"slices"

	"github.com/monel-dev/monel/doubling"
	"github.com/monel-dev/monel/transport/bootstrap"
	"github.com/monel-dev/monel/transport/shm"
)

// byHost lists the ranks so that those of one host stand next to each other,
// hosts in the order of their lowest ranks. Rings and trees over places in this
// list enter and leave each host once. All ranks compute the same list.
func byHost(table *bootstrap.Table) []int {
	order := make([]int, 0, len(table.Peers))
	listed := make([]bool, len(table.Peers))
	for rank := range table.Peers {
		if listed[rank] {
			continue
		}
		order = append(order, rank)
		for _, peer := range shm.Peers(table, rank) {
			if !listed[peer] && peer > rank {
				order, listed[peer] = append(order, peer), true
			}
		}
	}
	return order
}

// setOrder says which rank stands at which place.
func (c *Comm) setOrder(order []int) {
	c.order = order
	for place, rank := range order {
		if rank == c.rank {
			c.place = place
		}
	}
	c.steps = slices.Collect(doubling.Steps(c.size, c.place))
}

// inRankOrder lists the ranks as they are numbered.
func inRankOrder(size int) []int {
	order := make([]int, size)
	for rank := range order {
		order[rank] = rank
	}
	return order
}

// next and prev are the neighbours of this rank on the ring.
func (c *Comm) next() int { return c.order[(c.place+1)%c.size] }
func (c *Comm) prev() int { return c.order[(c.place+c.size-1)%c.size] }
