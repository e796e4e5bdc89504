package measure

import (
	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/oracle"
)

// uses says which tensors a rank has in a call: a source that it gives, a destination
// that it gets. Broadcast gives all ranks both.
func (c Call) uses(rank int) (dst, src bool) {
	switch c.Collective {
	case cli.Gather, cli.Reduce:
		return rank == c.Root, true
	case cli.Scatter:
		return true, rank == c.Root
	}
	return true, true
}

// blocks is how many blocks the destination and the source have.
func (c Call) blocks(ranks int) (dst, src int) {
	dst, src = 1, 1
	switch c.Collective {
	case cli.AllGather, cli.Gather, cli.Hypercube:
		dst = ranks
	case cli.ReduceScatter, cli.Scatter:
		src = ranks
	case cli.AllToAll:
		dst, src = ranks, ranks
	}
	return dst, src
}

// expect is what rank gives in a call, and what it must get.
func (c Call) expect(ranks, rank int, seed uint64) (input, result oracle.Contents) {
	block := c.PerRank(ranks)
	// own is the tensor that a rank gives, from an element on.
	own := func(rank int, first int64) oracle.Part {
		return oracle.Part{Table: oracle.Copy(rank, seed), First: first}
	}
	all := func(first int64) oracle.Contents {
		parts := oracle.Contents{Size: block}
		for from := range ranks {
			parts.Parts = append(parts.Parts, own(from, first))
		}
		return parts
	}
	one := func(p oracle.Part) oracle.Contents { return oracle.Contents{Parts: []oracle.Part{p}} }
	mine := int64(rank) * block
	switch c.Collective {
	case cli.AllGather, cli.Gather, cli.Hypercube:
		return one(own(rank, 0)), all(0)
	case cli.AllToAll:
		return one(own(rank, 0)), all(mine)
	case cli.Scatter:
		return one(own(rank, 0)), one(own(c.Root, mine))
	case cli.Broadcast:
		return one(own(rank, 0)), one(own(c.Root, 0))
	case cli.SendRecv:
		return one(own(rank, 0)), one(own((rank+ranks-1)%ranks, 0))
	}
	in, out := oracle.Reduction(c.Op, c.DType, ranks, rank, seed)
	result = oracle.Whole(out)
	if c.Collective == cli.ReduceScatter {
		result.Parts[0].First = mine
	}
	return oracle.Whole(in), result
}

// within is what a tensor of several blocks holds when one of them has other contents
// than the rest, which is whole's. A part's elements are numbered as in what is inside.
func within(whole, inside oracle.Contents, block int64, blocks, at int) oracle.Contents {
	c := oracle.Contents{Size: block}
	for b := range blocks {
		p := whole.Parts[0]
		if len(whole.Parts) > 1 {
			p = whole.Parts[b]
		} else {
			p.First += int64(b) * block
		}
		if b == at {
			p = inside.Parts[0]
		}
		c.Parts = append(c.Parts, p)
	}
	return c
}

// steady is what rank has before the calls that are timed.
func (c Call) steady(ranks, rank int, seed uint64) oracle.Contents {
	if !c.Collective.Reduces() {
		return oracle.Whole(oracle.Copy(rank, seed))
	}
	return oracle.Whole(oracle.Steady(c.Op, c.DType, ranks, rank, seed))
}
