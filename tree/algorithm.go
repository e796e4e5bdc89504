package tree

import "fmt"

// Algorithm is the shape of a tree.
type Algorithm uint8

// The shapes. The package's documentation compares them.
const (
	Binomial Algorithm = iota // fewest hops: for small tensors
	Chain                     // fewest bytes per rank: for large ones
	Flat                      // one hop: for few bytes and few ranks
	numAlgorithms
)

// String is the shape's name in logs.
func (a Algorithm) String() string {
	switch a {
	case Binomial:
		return "binomial"
	case Chain:
		return "chain"
	case Flat:
		return "flat"
	}
	return fmt.Sprintf("algorithm(%d)", uint8(a))
}

// place is where a rank stands in a tree: its parent, -1 at the root, and its
// children in the order in which it sends to them. Positions count from the
// root.
func (a Algorithm) place(size, rank int) (parent int, children []int) {
	switch a {
	case Chain:
		return chain(size, rank)
	case Flat:
		return flat(size, rank)
	}
	return binomial(size, rank)
}

// flat is the tree in which everybody is a child of the root.
func flat(size, rank int) (parent int, children []int) {
	if rank > 0 {
		return 0, nil
	}
	for child := 1; child < size; child++ {
		children = append(children, child)
	}
	return -1, children
}

// chain is the tree in which every rank has the next one as its only child.
func chain(size, rank int) (parent int, children []int) {
	if rank+1 < size {
		children = []int{rank + 1}
	}
	return rank - 1, children
}

// binomial halves the run of ranks [lo,hi), which lo is responsible for, until
// only the given rank is left. When size is a power of two the result is the
// binomial tree of the textbooks; otherwise the halves differ by one rank, and
// the depth is still ceil(log2 size). The farther half is never the larger one,
// and each child's run is at least as long as the next child's, so the order of
// the list is also the order of sending that lets the last rank finish soonest.
func binomial(size, rank int) (parent int, children []int) {
	parent = -1
	for lo, hi := 0, size; hi-lo > 1; {
		mid := lo + (hi-lo+1)/2
		switch {
		case rank >= mid:
			parent, lo = lo, mid
		case rank == lo:
			children = append(children, mid)
			hi = mid
		default:
			hi = mid
		}
	}
	return parent, children
}
