package tree

// Branch is a subtree: the position that it hangs on, and the run of positions that
// are in it, counted from the root around: [First, First+Size), of which the first is
// Position itself.
type Branch struct {
	Position    int
	First, Size int
}

// Branches are the subtrees of a binomial tree that concern one rank: its own, and
// its children's, the largest first, which together with the rank itself make up its
// own. Parent is the position of its parent, -1 at the root. They are what a gather
// or scatter of few bytes goes by, in which a link carries the blocks of a whole
// subtree at once, in the order of positions.
//
// Of c only Size, Rank and Root matter. The error, if any, is a *ConfigError.
func Branches(c Config) (own Branch, parent int, children []Branch, err error) {
	c.Count, c.Chunk, c.Align, c.Algorithm = 0, 1, 1, Binomial
	if err := c.validate(); err != nil {
		return Branch{}, 0, nil, err
	}
	at := (c.Rank - c.Root + c.Size) % c.Size
	branch := func(first, end int) Branch {
		return Branch{Position: (first + c.Root) % c.Size, First: first, Size: end - first}
	}
	up, down := binomial(c.Size, at)
	parent = -1
	if up >= 0 {
		parent = (up + c.Root) % c.Size
	}
	end := binomialEnd(c.Size, at)
	own = branch(at, end)
	for _, child := range down {
		children = append(children, branch(child, end))
		end = child
	}
	return own, parent, children, nil
}

// binomialEnd is one past the last of the ranks that a rank is responsible for.
func binomialEnd(size, rank int) int {
	lo, hi := 0, size
	for lo != rank {
		if mid := lo + (hi-lo+1)/2; rank >= mid {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}
